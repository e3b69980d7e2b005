// Ids to text to a stop string. The first byte is the length of the stop string that follows, the rest pairs of bytes,
// each an id. Streaming must give what decoding at once gives, whole characters at a time, and the stop string must cut
// at the same place however the text arrives.
#include "text/detokenizer.h"
#include "text/stop_strings.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

const glimt::Tokenizer& tokenizer() {
  static const glimt::Tokenizer loaded(std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/text/data");
  return loaded;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t stop_size = std::min<std::size_t>(data[0], size - 1);
  const std::string stop(data + 1, data + 1 + stop_size);
  std::vector<glimt::TokenId> ids;
  for (std::size_t at = 1 + stop_size; at + 1 < size; at += 2) ids.push_back((data[at] * 256 + data[at + 1]) % 4096);

  glimt::Detokenizer detokenizer(tokenizer());
  glimt::StopStrings filter(stop.empty() ? std::vector<std::string>{} : std::vector<std::string>{stop});
  std::string text;
  std::string shown;
  for (std::size_t i = 0; i <= ids.size(); ++i) {
    const std::string piece = i < ids.size() ? detokenizer.push(ids[i]) : detokenizer.finish();
    require(!glimt::find_invalid_utf8(piece));
    text += piece;
    shown += filter.push(piece);
  }
  shown += filter.finish();
  require(text == tokenizer().decode(ids));
  const std::size_t at = stop.empty() ? std::string::npos : text.find(stop);
  require(filter.stopped() == (at != std::string::npos));
  require(shown == text.substr(0, at));
  return 0;
}

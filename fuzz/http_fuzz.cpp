// Bytes of a connection to requests: whatever they are, reading them ends, and how they are cut changes nothing.
#include "server/request_reader.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using glimt::RequestReader;

struct Read {
  RequestReader::State state;
  std::size_t taken;
  glimt::HttpRequest request;
};

// As a connection gives them: `size` more bytes each time, behind those that were not taken.
Read read(std::string_view bytes, std::size_t size) {
  static const glimt::ServerLimits limits;
  RequestReader reader(limits);
  std::size_t taken = 0;
  for (std::size_t end = std::min(size, bytes.size());; end = std::min(end + size, bytes.size())) {
    for (std::size_t n = 1; n > 0 && reader.state() < RequestReader::State::done; taken += n) {
      n = reader.feed(bytes.substr(taken, end - taken));
    }
    if (end == bytes.size() || reader.state() >= RequestReader::State::done) break;
  }
  return {reader.state(), taken, reader.request()};
}

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 20'000) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Read whole = read(bytes, bytes.size() + 1);
  const Read cut = read(bytes, data[0] % 7 + 1U);
  check((whole.state == RequestReader::State::done) == (cut.state == RequestReader::State::done));
  if (whole.state != RequestReader::State::done) return 0;
  check(whole.taken == cut.taken);
  check(whole.request.body == cut.request.body && whole.request.fields == cut.request.fields);
  check(whole.request.path.starts_with('/') || whole.request.target == "*");
  check(whole.request.body.size() < size);
  return 0;
}

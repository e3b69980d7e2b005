// A request to a prompt to ids. The input is JSON, or else the text of one message (two, split at the first zero byte).
// Whatever comes in: an Error or a prompt; its ids spell it to the byte; and a text that holds no control token of the
// template's making has none.
#include "base/error.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace {

const std::filesystem::path kData = std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/text/data";

const glimt::Tokenizer& tokenizer() {
  static const glimt::Tokenizer loaded(kData);
  return loaded;
}

void require(bool condition) {
  if (!condition) std::abort();
}

std::size_t control_tokens(const glimt::json::object& request, const glimt::ChatTemplate& chat_template) {
  const glimt::RenderedPrompt prompt = chat_template.render(request);
  const std::vector<glimt::TokenId> ids = tokenizer().encode(prompt);
  require(tokenizer().decode(ids) == prompt.text);
  return static_cast<std::size_t>(
      std::count_if(ids.begin(), ids.end(), [](glimt::TokenId id) { return tokenizer().is_control(id); }));
}

void check_message(const std::string& text, const glimt::ChatTemplate& chat_template) {
  if (glimt::find_invalid_utf8(text)) return;
  const std::size_t half = std::min(text.find('\0'), text.size());
  const glimt::json::array parts = {text.substr(0, half), text.substr(half)};
  glimt::json::object message = {{"role", "user"}, {"content", parts}};
  const std::size_t wanted = 5;  // [gMASK] <sop> <|user|> <|assistant|> <think>
  require(control_tokens({{"messages", {message}}}, chat_template) == wanted);
}

void check_request(const std::string& text, const glimt::ChatTemplate& chat_template) {
  std::optional<glimt::json::value> request;
  try {
    request = glimt::parse_json(text, "fuzz");
  } catch (const glimt::Error&) {
    return;
  }
  if (request->is_object()) control_tokens(request->get_object(), chat_template);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const glimt::ChatTemplate chat_template(kData, tokenizer());
  const std::string text(data, data + size);
  try {
    check_message(text, chat_template);
    check_request(text, chat_template);
  } catch (const glimt::Error& error) {
    require(error.kind() != glimt::ErrorKind::internal);
  }
  return 0;
}

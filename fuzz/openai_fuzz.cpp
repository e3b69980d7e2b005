// The first byte chooses a route of OpenAI's dialect and what happens to unknown fields, the second how many of the last
// bytes are what the model writes; between them is the body of a request. It is refused with an Error, or what comes of
// it is possible; and whatever the model then writes, every event is valid UTF-8 and JSON.
#include "api/openai_chat.h"
#include "api/openai_completions.h"
#include "api/openai_embeddings.h"
#include "chat/messages.h"
#include "text/utf8.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace glimt;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const ApiRequest& request) {
  require(request.chat.messages.empty() != request.prompts.empty());
  require(request.choices >= 1 && request.choices <= 16);
  require(request.chat.tool_use.allowed.empty() || !request.chat.tools.empty());
  request.sampling.over({}).validate();
  for (const std::string& stop : request.chat.stop) require(!stop.empty());
  require(normalized_messages(request.chat.messages) == request.chat.messages);
  require(normalized_tools(request.chat.tools) == request.chat.tools);
}

AnswerHead head() {
  AnswerHead head;
  head.new_id = [](std::string_view prefix) { return std::string(prefix) + "1"; };
  return head;
}

// The bytes as thinking, content or a call, by the first one of each piece.
std::string written(AnswerWriter& writer, std::string_view text) {
  std::string out = writer.start();
  std::size_t calls = 0;
  for (std::size_t i = 0; i < text.size(); i += 5) {
    const std::string piece(text.substr(i, 5));
    const int kind = static_cast<unsigned char>(piece[0]) % 4;
    if (kind == 0) out += writer.part(0, {ThinkingDelta{piece}});
    if (kind == 1) out += writer.part(0, {ContentDelta{piece}, {{.bytes = piece, .top = {{piece, -1}}}}});
    if (kind == 2) out += writer.part(0, {ToolCallCut{calls, piece, false}});
    if (kind != 3) continue;
    out += writer.part(0, {ToolCallStart{calls, piece}});
    out += writer.part(0, {ToolCallComplete{calls, {piece, {{piece, calls}}}}});
    ++calls;
  }
  return out + writer.end(0, {}) + writer.finish();
}

void check_answer(const std::string& bytes) {
  require(!find_invalid_utf8(bytes));
  if (!bytes.starts_with("data: ") && !bytes.starts_with(": ")) {
    require(parse_json(bytes, "answer").is_object());
    return;
  }
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = bytes.find("\n\n", begin);
    require(end != bytes.npos);
    const std::string_view event = std::string_view(bytes).substr(begin, end - begin);
    require(event.find('\n') == event.npos);
    if (event.starts_with("data: {")) require(parse_json(event.substr(6), "event").is_object());
    begin = end + 2;
  }
  require(bytes.ends_with("data: [DONE]\n\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string bytes(data + 2, data + size);
  const std::size_t body = bytes.size() - std::min<std::size_t>(data[1], bytes.size());
  const ApiOptions options{.unknown = (data[0] & 4) == 0 ? UnknownFields::refuse : UnknownFields::ignore};
  try {
    const json::value value = parse_json(std::string_view(bytes).substr(0, body), "body");
    if (!value.is_object()) return 0;
    if ((data[0] & 3) == 3) {
      for (const std::string& input : parse_openai_embeddings(value.get_object(), options).request.inputs) {
        require(!input.empty());
      }
      return 0;
    }
    const ParseRequest parse = (data[0] & 3) == 2 ? parse_completions : parse_chat_completions;
    const ParsedRequest parsed = parse(value.get_object(), options);
    check(parsed.request);
    check_answer(written(*parsed.make_writer(head()), std::string_view(bytes).substr(body)));
  } catch (const Error&) {
  }
  return 0;
}

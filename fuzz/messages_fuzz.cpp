// The bytes are the body of a request for Anthropic's messages, then a zero and what the model writes. The request is
// refused with an error that is the client's, or its answer is valid, the same whole and as events, and can be sent
// back.
#include "written_answer.h"

#include "api/anthropic_messages.h"
#include "chat/messages.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>

namespace {

using namespace glimt;

// The content that the events sum to. Blocks follow each other, and one is open at a time.
class Blocks {
 public:
  void add(const json::object& event) {
    const std::string_view type(event.at("type").get_string());
    if (!type.starts_with("content_block")) return;
    const bool starts = type == "content_block_start";
    require(open_ != starts);
    if (starts) content_.push_back(event.at("content_block"));
    require(event.at("index").to_number<std::size_t>() == content_.size() - 1);
    open_ = type != "content_block_stop";
    if (type == "content_block_delta") add_delta(event.at("delta").get_object());
    if (!open_) end_block();
  }

  const json::array& content() const { return content_; }

 private:
  void add_delta(const json::object& delta) {
    json::object& block = content_.back().get_object();
    for (const auto& [key, value] : delta) {
      if (key == "type") continue;
      if (key == "partial_json") {
        arguments_ += value.get_string();
      } else {
        block.at(key).get_string().append(value.get_string());
      }
    }
  }

  // The arguments of a call that was cut are no JSON yet.
  void end_block() {
    json::object& block = content_.back().get_object();
    if (!arguments_.empty() && arguments_.back() == '}') try {
        block["input"] = parse_json(arguments_, "arguments");
      } catch (const Error&) {
      }
    arguments_.clear();
    if (block.contains("text")) require(!block.at("text").get_string().empty());
  }

  json::array content_;
  std::string arguments_;
  bool open_ = false;
};

json::array streamed_content(std::string_view wire) {
  Blocks blocks;
  while (!wire.empty()) {
    const std::size_t data = wire.find("\ndata: ");
    const std::size_t end = wire.find("\n\n");
    require(wire.starts_with("event: ") && data < end && end != wire.npos);
    const json::value event = parse_json(wire.substr(data + 7, end - data - 7), "event");
    require(event.at("type").get_string() == wire.substr(7, data - 7));
    blocks.add(event.get_object());
    wire.remove_prefix(end + 2);
  }
  return blocks.content();
}

// Ids of calls are drawn in another order.
std::string without_ids(json::array content) {
  for (json::value& block : content) block.get_object().erase("id");
  return dump_json(content);
}

void check(json::object body, std::string_view answer) {
  const ApiOptions options{.unknown = UnknownFields::ignore};
  body["stream"] = true;
  const ParsedRequest streamed = parse_messages(body, options);
  const json::array& messages = streamed.request.chat.messages;
  require(dump_json(normalized_messages(messages)) == dump_json(messages));
  require(dump_json(parse_count_tokens(body, options).request.chat.messages) == dump_json(messages));
  body["stream"] = false;
  const ParsedRequest whole = parse_messages(body, options);
  const std::string events = written_answer(streamed, answer, 3);
  const std::string message = written_answer(whole, answer, answer.size() + 1);
  require(!find_invalid_utf8(events) && !find_invalid_utf8(message));
  const json::value at_once = parse_json(message, "message");
  const json::array& content = at_once.at("content").get_array();
  require(without_ids(streamed_content(events)) == without_ids(content));
  // Calls that are shown while they are written may be cut; what was shown stays.
  const std::string early = written_answer(streamed, answer, 3, true);
  require(!find_invalid_utf8(early));
  streamed_content(early);
  const json::object question{{"role", "user"}, {"content", "and?"}};
  const json::object said{{"role", "assistant"}, {"content", content}};
  parse_messages({{"max_tokens", 1}, {"messages", json::array{question, said, question}}}, {});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), text.size());
  json::value body;
  try {
    body = parse_json(text.substr(0, end), "request");
    if (!body.is_object()) return 0;
    parse_messages(body.get_object(), {.unknown = UnknownFields::ignore});
  } catch (const Error&) {
    require(problem_of(std::current_exception()).status == 400);
    return 0;
  }
  check(body.get_object(), text.substr(std::min(end + 1, size)));
  return 0;
}

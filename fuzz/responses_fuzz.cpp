// The bytes are the body of a request for a Response, then a zero and what the model writes. The request is refused
// with an Error, or the answer is valid and can be sent back as the next request's input.
#include "api/problem.h"
#include "api/response_store.h"
#include "api/responses.h"
#include "chat/messages.h"
#include "chat/output_parser.h"
#include "text/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using glimt::json::object;

void require(bool ok) {
  if (!ok) std::abort();
}

glimt::AnswerHead head() {
  glimt::AnswerHead head;
  head.model = "m";
  head.new_id = [count = 0](std::string_view prefix) mutable { return std::string(prefix) + std::to_string(++count); };
  head.now = [] { return std::string(); };
  return head;
}

// All that goes over the wire. A byte below 8 is a tag.
std::string answered(const glimt::ParsedRequest& parsed, std::string_view answer) {
  glimt::OutputRules rules;
  rules.calls.tools = glimt::ToolSchemas(parsed.request.chat.tools);
  rules.calls.allowed = parsed.request.chat.tool_use.allowed;
  rules.calls.streamed = parsed.request.chat.stream_calls;
  rules.starts_thinking = parsed.request.chat.thinking;
  glimt::OutputParser reader(rules);
  const auto writer = parsed.make_writer(head());
  std::string wire = writer->start();
  const auto add = [&](const std::vector<glimt::OutputEvent>& events) {
    for (const glimt::OutputEvent& event : events) wire += writer->part(0, {event, {}});
  };
  for (const char& c : answer) {
    const auto byte = static_cast<unsigned char>(c);
    add(byte < 8 ? reader.feed(static_cast<glimt::GlmTag>(byte)) : reader.feed(std::string_view(&c, 1)));
  }
  add(reader.finish());
  wire += writer->end(0, {});
  return wire + writer->finish();
}

void check(const object& body, std::string_view answer) {
  glimt::ResponseStore store({.responses = 8, .bytes = std::size_t{1} << 20});
  const glimt::ApiOptions options{.unknown = glimt::UnknownFields::ignore, .key_owner = "", .responses = &store};
  const glimt::ParsedRequest parsed = glimt::parse_responses(body, options);
  const glimt::json::array& messages = parsed.request.chat.messages;
  require(glimt::dump_json(glimt::normalized_messages(messages)) == glimt::dump_json(messages));
  const std::string wire = answered(parsed, answer);
  require(!glimt::find_invalid_utf8(wire));
  if (store.size() == 0) return;
  const object response = glimt::get_response("resp_1", options);
  const object next{{"input", response.at("output")}, {"tools", response.at("tools")}};
  glimt::parse_responses(next, options);
  const object from_store{{"previous_response_id", "resp_1"}, {"tools", response.at("tools")}};
  require(glimt::parse_responses(from_store, options).request.chat.messages.size() >=
          glimt::parse_responses(next, options).request.chat.messages.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\0'), text.size());
  try {
    const glimt::json::value value = glimt::parse_json(text.substr(0, end), "request");
    if (value.is_object()) check(value.get_object(), text.substr(std::min(end + 1, size)));
  } catch (const glimt::Error&) {
    const glimt::Problem problem = glimt::problem_of(std::current_exception());
    require(problem.status == 400 || problem.status == 404);
  }
  return 0;
}

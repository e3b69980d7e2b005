// The first byte is bits of the rules, the second how to cut the rest, which is read twice: as raw text, and as the
// text and tags that a model writes (bytes 0x10 to 0x17 are the tags). Whatever the answer, the events of two ways to
// cut it must sum to the same, streamed calls or not, and nothing may be thrown or read out of bounds.
#include "chat/tag_reader.h"
#include "text/utf8.h"

#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

namespace {

using namespace glimt;

void require(bool condition) {
  if (!condition) std::abort();
}

const ToolSchemas& tools() {
  static const ToolSchemas schemas(parse_json(R"([{"name": "t"}, {"name": "f", "parameters": {
      "required": ["s"], "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "u": {"type": ["string", "null"]},
      "a": {"type": "array"}}}}])",
                                              "tools")
                                       .as_array());
  return schemas;
}

OutputRules rules_of(unsigned char bits) {
  OutputRules rules;
  rules.calls.tools = tools();
  rules.calls.max_bytes = 4096;
  rules.starts_thinking = (bits & 1) != 0;
  rules.calls.banned = (bits & 6) == 6;
  rules.calls.parallel = (bits & 8) == 0;
  if ((bits & 16) != 0) rules.stop = {"STOP", "\n\n"};
  rules.stop_in_thinking = (bits & 32) != 0;
  rules.calls.streamed = (bits & 64) != 0;
  return rules;
}

// Sums the events and checks their order; the deltas of a call must be its arguments.
struct Sum {
  ParsedOutput output;
  std::string json;
  bool open = false;

  void add(const std::vector<OutputEvent>& events, bool utf8) {
    for (const OutputEvent& event : events) {
      output.add(event);
      if (std::holds_alternative<ToolCallStart>(event)) {
        require(!std::exchange(open, true));
        json.clear();
      } else if (const auto* delta = std::get_if<ToolCallDelta>(&event)) {
        require(open && !delta->json.empty());
        json += delta->json;
      } else if (const auto* complete = std::get_if<ToolCallComplete>(&event)) {
        require(std::exchange(open, false));
        require(!utf8 || parse_json(json, "arguments") == json::value(complete->call.arguments));
      } else if (const auto* cut = std::get_if<ToolCallCut>(&event)) {
        require(std::exchange(open, false) == cut->announced);
      } else {
        require(!open);
      }
    }
  }
};

std::string as_tokens(const std::string& text, const OutputRules& rules, std::size_t step) {
  constexpr unsigned char kFirstTag = 0x10;
  const bool utf8 = !find_invalid_utf8(text);
  OutputParser parser(rules);
  Sum sum;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool tag = i < text.size() && text[i] >= kFirstTag && text[i] < kFirstTag + 8;
    if (i < text.size() && !tag && i - begin < step) continue;
    sum.add(parser.feed(std::string_view(text).substr(begin, i - begin)), utf8);
    if (tag) sum.add(parser.feed(static_cast<GlmTag>(text[i] - kFirstTag)), utf8);
    begin = tag ? i + 1 : i;
  }
  sum.add(parser.finish(), utf8);
  return dump_json(to_json(sum.output));
}

std::string as_text(const std::string& text, const OutputRules& rules, std::size_t step) {
  return dump_json(to_json(parse_raw(text, rules, step)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string text(data + 2, data + size);
  OutputRules rules = rules_of(data[0]);
  for (const auto read : {as_tokens, as_text}) {
    const std::string whole = read(text, rules, text.size() + 1);
    require(read(text, rules, 1) == whole && read(text, rules, 1 + data[1]) == whole);
    rules.calls.streamed = !rules.calls.streamed;
    require(read(text, rules, 1 + data[1]) == whole);
  }
  return 0;
}

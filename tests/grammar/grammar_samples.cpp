// Prints random answers that grammars let through, for an independent judge (tests/e2e/test_schemas.py).
// usage: grammar_samples CORPUS.jsonl SAMPLES   one line an answer, `line` counting those of the corpus from 0:
//   {"schema": …} in the corpus:  {"line", "finished", "text"}
//   {"tools": […]} in the corpus: {"line", "finished", "text", "calls"} as the output parser reads the text
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "chat/tag_reader.h"
#include "grammar/sampling.h"

#include <fmt/core.h>

#include <cstdlib>
#include <string>

namespace glimt::test {
namespace {

json::value calls_in(const json::array& tools, std::string_view text) {
  OutputRules rules;
  rules.calls.tools = ToolSchemas(tools);
  return to_json(parse_raw(text, rules)).at("tool_calls");
}

void run(const char* corpus, int samples) {
  const std::string text = read_file(corpus);
  std::size_t index = 0;
  for (std::size_t at = 0; at < text.size(); ++index) {
    const std::size_t end = text.find('\n', at);
    const json::value line = parse_json(std::string_view(text).substr(at, end - at), corpus);
    at = end + 1;
    const json::value* tools = line.as_object().if_contains("tools");
    const Grammar grammar = tools != nullptr ? Grammar::tool_calls(demo_environment(), tools->as_array())
                                             : Grammar::json_schema(demo_environment(), line.at("schema"));
    for (int i = 0; i < samples; ++i) {
      const Sample answer = sample(grammar, index * 1'000'003 + static_cast<std::size_t>(i), 300);
      if (!answer.broken.empty()) fail(ErrorKind::internal, corpus, "line {}: {}", index, answer.broken);
      // An answer that was cut may end within a character.
      json::object result{{"line", index}, {"finished", answer.finished}, {"text", answer.finished ? answer.text : ""}};
      if (tools != nullptr && answer.finished) result["calls"] = calls_in(tools->as_array(), answer.text);
      fmt::print("{}\n", dump_json(result));
    }
  }
}

}  // namespace
}  // namespace glimt::test

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    glimt::test::run(argv[1], std::atoi(argv[2]));
  } catch (const glimt::Error& error) {
    fmt::print(stderr, "grammar_samples: {}\n", error.what());
    return 1;
  }
  return 0;
}

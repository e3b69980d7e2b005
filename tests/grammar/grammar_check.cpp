// Says of each line of stdin whether a grammar lets texts through. Used by tests/oracle/schema_suite.py.
//   {"kind": "schema" | "regex" | "lark" | "tools", "source": ..., "accept": [...], "reject": [...]}
// prints {"refused": message} or {"accept": [true, ...], "reject": [...]}: true if the whole text may be an answer.
#include "base/error.h"
#include "base/json.h"
#include "grammar/sampling.h"

#include <fmt/core.h>

#include <iostream>
#include <string>

namespace glimt::test {
namespace {

bool lets_through(const Grammar& grammar, std::string_view text, bool with_controls) {
  Matcher matcher = grammar.matcher();
  const Tokenizer& tokenizer = demo_tokenizer();
  for (const TokenId id : with_controls ? tokenizer.encode_raw(text) : tokenizer.encode_plain(text)) {
    if (!matcher.accept(id)) return false;
  }
  return matcher.state() != Matcher::State::unfinished;
}

json::object answer(const json::value& line) {
  const std::string kind(line.at("kind").as_string());
  const json::value& source = line.at("source");
  json::object result;
  try {
    const Grammar grammar = kind == "schema"  ? Grammar::json_schema(demo_environment(), source)
                            : kind == "regex" ? Grammar::regex(demo_environment(), std::string(source.as_string()))
                            : kind == "lark"  ? Grammar::lark(demo_environment(), std::string(source.as_string()))
                                              : Grammar::tool_calls(demo_environment(), source.as_array());
    for (const char* name : {"accept", "reject"}) {
      json::array verdicts;
      if (const json::value* texts = line.as_object().if_contains(name)) {
        for (const json::value& text : texts->as_array()) {
          verdicts.push_back(lets_through(grammar, std::string(text.as_string()), kind == "tools" || kind == "lark"));
        }
      }
      result[name] = std::move(verdicts);
    }
  } catch (const Error& error) {
    result["refused"] = error.what();
  }
  return result;
}

}  // namespace
}  // namespace glimt::test

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", glimt::dump_json(glimt::test::answer(glimt::parse_json(line, "stdin"))));
  }
  return 0;
}

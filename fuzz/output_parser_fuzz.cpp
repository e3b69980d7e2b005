// The first byte says whether the text starts inside the thinking, the second how to cut the rest. Whatever the text, the
// events of two ways to cut it must sum to the same answer, and nothing may be thrown or read out of bounds.
#include "chat/output_parser.h"

#include <cstdint>
#include <cstdlib>

namespace {

const glimt::ToolSchemas& tools() {
  static const glimt::ToolSchemas schemas(glimt::parse_json(R"([{"name": "t"}, {"name": "f", "parameters": {
      "required": ["s"], "properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "u": {"type": ["string", "null"]},
      "a": {"type": "array"}}}}])",
                                                            "tools")
                                              .as_array());
  return schemas;
}

std::string parse(std::string_view text, bool thinking, std::size_t step) {
  glimt::OutputParser parser(tools(), thinking, 4096);
  glimt::ParsedOutput output;
  for (std::size_t begin = 0; begin < text.size(); begin += step) {
    for (const auto& event : parser.feed(text.substr(begin, step))) output.add(event);
  }
  for (const auto& event : parser.finish()) output.add(event);
  return glimt::dump_json(to_json(output));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string text(data + 2, data + size);
  const bool thinking = data[0] % 2 == 0;
  const std::string whole = parse(text, thinking, text.size() + 1);
  if (parse(text, thinking, 1) != whole || parse(text, thinking, 1 + data[1]) != whole) std::abort();
  return 0;
}

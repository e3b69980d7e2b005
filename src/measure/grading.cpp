#include "measure/grading.h"

#include "base/file.h"
#include "base/text.h"
#include "text/glm_tags.h"

#include <algorithm>

namespace glimt {
namespace {

std::vector<ToolCall> read_calls(const json::array& calls, const std::string& where) {
  std::vector<ToolCall> result;
  for (const json::value& call : calls) {
    if (!call.is_object())
      fail(ErrorKind::invalid_request, where, "an object for each call is wanted, got {}", dump_json(call));
    const JsonFields fields(call.get_object(), where, ErrorKind::invalid_request);
    result.push_back({fields.string("name"), fields.object("arguments")});
  }
  return result;
}

bool has_tags(std::string_view text) {
  return std::any_of(kGlmTags.begin() + static_cast<int>(GlmTag::call), kGlmTags.end(),
                     [&](std::string_view tag) { return text.find(tag) != std::string_view::npos; });
}

}  // namespace

Question read_question(const json::value& line, const std::string& where) {
  if (!line.is_object()) fail(ErrorKind::invalid_request, where, "an object is wanted");
  const JsonFields fields(line.get_object(), where, ErrorKind::invalid_request);
  Question question;
  question.task = fields.string("task");
  question.messages = fields.array("messages");
  if (fields.has("tools")) question.tools = fields.array("tools");
  question.thinking = fields.boolean_or("enable_thinking", true);
  const JsonFields expect(fields.object("expect"), where + ": expect", ErrorKind::invalid_request);
  if (expect.has("content")) question.content = expect.string("content");
  if (expect.has("tool_calls")) question.calls = read_calls(expect.array("tool_calls"), where + ": expect");
  if (expect.has("contains")) {
    for (const json::value& part : expect.array("contains")) {
      if (!part.is_string()) fail(ErrorKind::invalid_request, where, "'contains' must hold strings");
      question.contains.emplace_back(part.get_string());
    }
  }
  if (!question.content && !question.calls && question.contains.empty()) {
    fail(ErrorKind::invalid_request, where, "field 'expect' must have content, contains or tool_calls");
  }
  return question;
}

std::vector<Question> read_questions(const std::filesystem::path& file, std::size_t limit) {
  const std::string text = read_file(file);
  std::vector<Question> questions;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    if (limit > 0 && questions.size() == limit) break;
    ++number;
    if (trimmed(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", file.string(), number);
    questions.push_back(read_question(parse_json(line, where), where));
  }
  if (questions.empty()) fail(ErrorKind::bad_file, file.string(), "holds no questions");
  return questions;
}

bool is_right(const Question& question, const ParsedOutput& output) {
  if (question.calls) {
    return std::equal(
        question.calls->begin(), question.calls->end(), output.tool_calls.begin(), output.tool_calls.end(),
        [](const ToolCall& a, const ToolCall& b) { return a.name == b.name && a.arguments == b.arguments; });
  }
  if (!output.tool_calls.empty()) return false;
  if (question.content && trimmed(*question.content) != trimmed(output.content)) return false;
  return std::all_of(question.contains.begin(), question.contains.end(),
                     [&](const std::string& part) { return output.content.find(part) != std::string::npos; });
}

bool is_well_formed(const ParsedOutput& output, const ToolSchemas& tools) {
  if (output.tool_calls.empty() || has_tags(output.content) || has_tags(output.thinking)) return false;
  return std::all_of(output.tool_calls.begin(), output.tool_calls.end(), [&](const ToolCall& call) {
    const ToolSchema* schema = tools.find(call.name);
    return schema != nullptr && schema->admits(call.arguments);
  });
}

}  // namespace glimt

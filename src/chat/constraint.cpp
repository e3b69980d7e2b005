#include "chat/constraint.h"

#include "base/error.h"

namespace glimt {

OutputConstraint constraint_of(const AnswerForm& form, const json::array& tools) {
  const bool calls = form.tool_choice != "auto" && form.tool_choice != "none";
  const int given =
      int{!form.format.name.empty()} + int{!form.regex.empty()} + int{!form.grammar.name.empty()} + int{calls};
  if (given > 1) {
    fail(ErrorKind::invalid_request, "format, regex, grammar, tool_choice", "only one of them can decide the answer");
  }
  if (calls && tools.empty()) fail(ErrorKind::invalid_request, "tool_choice", "there are no tools to call");
  if (form.format.name == kJsonFormat) return JsonObjectOutput{};
  if (!form.format.name.empty()) return JsonSchemaOutput{parse_json(form.format.text, form.format.name)};
  if (!form.regex.empty()) return RegexOutput{form.regex};
  if (!form.grammar.name.empty()) return LarkOutput{form.grammar.text};
  if (!calls) return {};
  ToolCallOutput output;
  if (form.tool_choice != "required") output.rules.allowed = {form.tool_choice};
  return output;
}

}  // namespace glimt

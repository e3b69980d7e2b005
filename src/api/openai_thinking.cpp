#include "api/openai_thinking.h"

#include "api/effort.h"

#include <limits>

namespace glimt {
namespace {

using Use = ApiField::Use;

// clang-format off
constexpr ApiField kReasoningFields[] = {
    {"effort", Use::honoured, R"({"type": "string", "enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"]})", "as reasoning_effort"},
    {"summary", Use::carried, "{}", "the thinking itself is in the answer"},
};
constexpr ApiField kThinkingFields[] = {
    {"type", Use::honoured, R"({"type": "string", "enum": ["enabled", "disabled", "adaptive"]})", "whether to think"},
    {"budget_tokens", Use::honoured, R"({"type": "integer", "minimum": 1})", "tokens of thinking after which it is closed"},
    {"clear_thinking", Use::honoured, R"({"type": "boolean"})", "leave the thinking of earlier turns out of the prompt"},
};
constexpr ApiField kTemplateFields[] = {
    {"enable_thinking", Use::honoured, R"({"type": "boolean"})", "whether to think"},
    {"clear_thinking", Use::honoured, R"({"type": "boolean"})", "leave the thinking of earlier turns out of the prompt"},
};
// clang-format on

constexpr ApiObject kReasoning{"ChatReasoning", kReasoningFields};
constexpr ApiObject kThinking{"ChatThinking", kThinkingFields};
constexpr ApiObject kTemplate{"ChatTemplateOptions", kTemplateFields};
constexpr const ApiObject* kObjects[] = {&kReasoning, &kThinking, &kTemplate};

void read_effort(const FieldReader& object, std::string_view name, ChatRequest& request) {
  if (object.has(name)) apply_effort(object.string_or(name, {}), object.path(name), request);
}

void read_clear(const FieldReader& object, ChatRequest& request) {
  if (object.has("clear_thinking")) {
    request.template_options["clear_thinking"] = object.boolean_or("clear_thinking", false);
  }
}

void read_thinking(const FieldReader& thinking, ChatRequest& request) {
  if (thinking.has("type")) {
    request.thinking = thinking.one_of("type", {}, {"enabled", "disabled", "adaptive"}) != "disabled";
  }
  if (thinking.has("budget_tokens")) {
    constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
    request.thinking_budget = static_cast<std::size_t>(thinking.integer_or("budget_tokens", 0, 1, kAny));
  }
  read_clear(thinking, request);
}

}  // namespace

void read_openai_thinking(const FieldReader& body, UnknownFields unknown, std::vector<std::string>& ignored,
                          ChatRequest& request) {
  const auto part = [&](std::string_view name, const ApiObject& table) {
    return FieldReader(body.object_or_empty(name), table, body.path(name), unknown, ignored);
  };
  request.template_options["clear_thinking"] = false;
  read_effort(body, "reasoning_effort", request);
  read_effort(part("reasoning", kReasoning), "effort", request);
  read_thinking(part("thinking", kThinking), request);
  const FieldReader options = part("chat_template_kwargs", kTemplate);
  request.thinking = options.boolean_or("enable_thinking", request.thinking);
  read_clear(options, request);
}

std::span<const ApiObject* const> openai_thinking_objects() { return kObjects; }

}  // namespace glimt

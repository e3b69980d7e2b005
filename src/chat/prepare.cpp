#include "chat/prepare.h"

#include "base/error.h"
#include "text/glm_tags.h"

#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace glimt {
namespace {

constexpr float kNever = -1000;  // the lowest bias that there is, far below every logit

json::object template_input(const ChatRequest& request) {
  json::object input = request.template_options;
  input["messages"] = request.messages;
  if (!request.tools.empty()) input["tools"] = request.tools;
  input["enable_thinking"] = request.thinking;
  return input;
}

bool may_call(const ChatRequest& request) { return !request.tools.empty() && !request.tool_use.banned; }

void check_tool_use(const ChatRequest& request, const ToolSchemas& tools) {
  for (const std::string& name : request.tool_use.allowed) {
    if (tools.find(name) == nullptr) fail(ErrorKind::invalid_request, "tool_choice", "no tool is called '{}'", name);
  }
  if (request.tool_use.banned && std::holds_alternative<ToolCallOutput>(request.constraint)) {
    fail(ErrorKind::invalid_request, "tool_choice", "a call is wanted, and none is allowed");
  }
}

Grammar calls(GrammarCache& grammars, const ChatRequest& request, ToolCallRules rules) {
  if (rules.allowed.empty()) rules.allowed = request.tool_use.allowed;
  rules.parallel = rules.parallel && request.tool_use.parallel;
  return grammars.tool_calls(request.tools, rules);
}

// JSON that fits the schema, or calls instead.
Grammar json_or_calls(GrammarCache& grammars, const ChatRequest& request, const json::value& schema) {
  return calls(grammars, request, {.allowed = {}, .required = false, .answer = schema});
}

// A free answer needs a grammar only where some tools are not to be called.
std::optional<Grammar> grammar_of(const ChatResources& resources, const ChatRequest& request) {
  const bool callable = may_call(request);
  const bool free = std::holds_alternative<std::monostate>(request.constraint);
  if (free && (!callable || request.tool_use.allowed.empty())) return std::nullopt;
  GrammarCache& grammars = resources.grammars();
  return std::visit(
      [&]<typename Kind>(const Kind& kind) -> Grammar {
        if constexpr (std::is_same_v<Kind, JsonObjectOutput>) {
          if (!callable) return grammars.json_object();
          return json_or_calls(grammars, request, json::object{{"type", "object"}});
        } else if constexpr (std::is_same_v<Kind, JsonSchemaOutput>) {
          if (!callable) return grammars.json_schema(kind.schema);
          return json_or_calls(grammars, request, kind.schema);
        } else if constexpr (std::is_same_v<Kind, RegexOutput>) {
          return grammars.regex(kind.pattern);
        } else if constexpr (std::is_same_v<Kind, LarkOutput>) {
          return grammars.lark(kind.source);
        } else if constexpr (std::is_same_v<Kind, ToolCallOutput>) {
          return calls(grammars, request, kind.rules);
        } else {
          return calls(grammars, request, {.allowed = {}, .required = false});
        }
      },
      request.constraint);
}

TokenId control(const Tokenizer& tokenizer, GlmTag tag, std::string_view wanted_by) {
  const std::optional<TokenId> id = tokenizer.token_id(text_of(tag));
  if (!id || !tokenizer.is_control(*id)) {
    fail(ErrorKind::unsupported, wanted_by, "the tokenizer has no control token {}", text_of(tag));
  }
  return *id;
}

OutputRules output_rules(const ChatRequest& request, ToolSchemas tools, bool thinks) {
  OutputRules rules;
  rules.calls.banned = !may_call(request);
  rules.calls.tools = std::move(tools);
  rules.calls.allowed = request.tool_use.allowed;
  rules.calls.parallel = request.tool_use.parallel;
  rules.calls.streamed = request.stream_calls;
  rules.starts_thinking = thinks;
  rules.stop = request.stop;
  rules.stop_in_thinking = request.stop_in_thinking;
  const OutputParser checked(rules);  // throws now what a reader would throw later
  return rules;
}

}  // namespace

bool ends_inside_thinking(const RenderedPrompt& prompt) {
  if (prompt.controls.empty()) return false;
  const ControlSpan& last = prompt.controls.back();
  return std::string_view(prompt.text).substr(last.begin, last.end - last.begin) == text_of(GlmTag::think);
}

GenerationRequest PreparedChat::generation(std::uint64_t choice) const {
  GenerationRequest request = generation_;
  if (request.sampling.seed) *request.sampling.seed += choice;
  return request;
}

RenderedPrompt render_prompt(const ChatResources& resources, const ChatRequest& request) {
  if (request.messages.empty()) fail(ErrorKind::invalid_request, "messages", "at least one message is wanted");
  check_tool_use(request, ToolSchemas(request.tools));
  return resources.chat_template.render(template_input(request));
}

PreparedChat prepare_prompt(const ChatResources& resources, const ChatRequest& request, const RenderedPrompt& prompt) {
  ToolSchemas tools(request.tools);
  check_tool_use(request, tools);
  const bool thinks = ends_inside_thinking(prompt);
  PreparedChat prepared;
  prepared.output_ = output_rules(request, std::move(tools), thinks);
  GenerationRequest& generation = prepared.generation_;
  generation.prompt = resources.memory ? resources.memory->encode(resources.tokenizer, prompt, resources.context)
                                       : resources.tokenizer.encode(prompt, resources.context);
  prepared.recorder_ = AnswerRecorder(resources.memory, prompt);
  generation.sampling = request.sampling;
  generation.max_tokens = request.max_tokens;
  generation.eos = resources.eos;
  generation.grammar = grammar_of(resources, request);
  if (generation.grammar && thinks) generation.grammar = generation.grammar->after_thinking();
  if (request.tool_use.banned && !request.tools.empty()) {
    generation.sampling.logit_bias[control(resources.tokenizer, GlmTag::call, "tool_choice")] = kNever;
  }
  if (thinks && request.thinking_budget > 0) {
    ThinkingBudget& budget = generation.thinking_budget.emplace();
    budget.tokens = request.thinking_budget;
    budget.close = control(resources.tokenizer, GlmTag::think_end, "thinking_budget");
    if (may_call(request)) budget.call = control(resources.tokenizer, GlmTag::call, "thinking_budget");
  }
  return prepared;
}

PreparedChat prepare(const ChatResources& resources, const ChatRequest& request) {
  return prepare_prompt(resources, request, render_prompt(resources, request));
}

}  // namespace glimt

#include "chat/chat_pipeline.h"

#include "base/error.h"
#include "chat/output_parser.h"
#include "chat/tool_schemas.h"
#include "text/detokenizer.h"
#include "text/stop_strings.h"

#include <string_view>
#include <utility>

namespace glimt {
namespace {

json::object template_input(const ChatRequest& request) {
  json::object input = request.template_options;
  input["messages"] = request.messages;
  if (!request.tools.empty()) input["tools"] = request.tools;
  input["enable_thinking"] = request.thinking;
  return input;
}

// Whether the prompt ends with the control token that opens the thinking, not with text that spells it.
bool ends_inside_thinking(const RenderedPrompt& prompt) {
  if (prompt.controls.empty() || prompt.controls.back().end != prompt.text.size()) return false;
  return std::string_view(prompt.text).substr(prompt.controls.back().begin) == "<think>";
}

}  // namespace

json::object to_message(const ParsedOutput& output) {
  json::object message{{"role", "assistant"}, {"content", output.content}};
  if (!output.thinking.empty()) message["reasoning_content"] = output.thinking;
  json::array calls;
  for (const ToolCall& call : output.tool_calls) {
    calls.push_back({{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

ChatPipeline::ChatPipeline(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::vector<TokenId> eos,
                           Generate generate, GetGrammars grammars)
    : tokenizer_(tokenizer),
      chat_template_(chat_template),
      eos_(std::move(eos)),
      generate_(std::move(generate)),
      grammars_(std::move(grammars)) {}

std::optional<Grammar> ChatPipeline::grammar_of(const ChatRequest& request, bool thinks) const {
  if (std::holds_alternative<std::monostate>(request.constraint)) return std::nullopt;
  const Grammar grammar = std::visit(
      [&]<typename Kind>(const Kind& kind) -> Grammar {
        if constexpr (std::is_same_v<Kind, JsonSchemaOutput>) {
          return grammars_().json_schema(kind.schema);
        } else if constexpr (std::is_same_v<Kind, RegexOutput>) {
          return grammars_().regex(kind.pattern);
        } else if constexpr (std::is_same_v<Kind, LarkOutput>) {
          return grammars_().lark(kind.source);
        } else if constexpr (std::is_same_v<Kind, ToolCallOutput>) {
          return grammars_().tool_calls(request.tools, kind.rules);
        } else {
          return grammars_().json_object();
        }
      },
      request.constraint);
  return thinks ? grammar.after_thinking() : grammar;
}

ChatResult ChatPipeline::run(const ChatRequest& request, const ChatObserver& observer) const {
  if (request.messages.empty()) fail(ErrorKind::invalid_request, "messages", "at least one message is wanted");
  const RenderedPrompt prompt = chat_template_.render(template_input(request));
  const bool thinks = ends_inside_thinking(prompt);
  GenerationRequest generation{
      .prompt = tokenizer_.encode(prompt), .sampling = request.sampling, .max_tokens = request.max_tokens, .eos = eos_};
  generation.grammar = grammar_of(request, thinks);
  if (thinks && request.thinking_budget > 0) {
    const std::optional<TokenId> close = tokenizer_.token_id("</think>");
    if (!close) fail(ErrorKind::unsupported, "thinking_budget", "the tokenizer has no </think>");
    generation.thinking_budget = ThinkingBudget{request.thinking_budget, *close};
  }
  Detokenizer detokenizer(tokenizer_, ControlText::hide_special);
  StopStrings stops(request.stop);
  OutputParser parser(ToolSchemas(request.tools), thinks);
  ChatResult result;
  result.prompt = generation.prompt;
  bool cancelled = false;
  const auto publish = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      result.output.add(event);
      if (observer.on_event) observer.on_event(event);
    }
  };
  const auto on_token = [&](const TokenEvent& token) {
    if (request.sampling.logprobs) result.tokens.push_back(token);
    publish(parser.feed(stops.push(detokenizer.push(token.token))));
    cancelled = observer.keep_going && !observer.keep_going();
    return !cancelled && !stops.stopped();
  };
  const auto [reason, stats] = generate_(generation, observer.on_prefill, on_token);
  publish(parser.feed(stops.push(detokenizer.finish())));
  publish(parser.feed(stops.finish()));
  publish(parser.finish());
  result.reason = cancelled ? FinishReason::cancelled : stops.stopped() ? FinishReason::stop : reason;
  result.stats = stats;
  return result;
}

}  // namespace glimt

// A conversation in, an answer out. Read this first: ChatPipeline::run is the whole way that a request takes.
#pragma once

#include "base/json.h"
#include "chat/types.h"
#include "engine/engine.h"
#include "grammar/grammar_cache.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace glimt {

// What the answer has to be, behind the thinking if there is any.
struct JsonObjectOutput {};
struct JsonSchemaOutput {
  json::value schema;
};
struct RegexOutput {
  std::string pattern;
};
struct LarkOutput {
  std::string source;
};
struct ToolCallOutput {  // calls of the request's tools
  ToolCallRules rules;
};
using OutputConstraint =
    std::variant<std::monostate, JsonObjectOutput, JsonSchemaOutput, RegexOutput, LarkOutput, ToolCallOutput>;

struct ChatRequest {
  json::array messages;           // as chat templates take them: {"role", "content", "tool_calls", …}
  json::array tools;              // in OpenAI's form
  bool thinking = true;           // the template's enable_thinking
  json::object template_options;  // more for the template, e.g. {"clear_thinking": false}
  OutputConstraint constraint = {};
  SamplingParams sampling;
  std::size_t max_tokens = 0;       // 0: as many as the context holds
  std::size_t thinking_budget = 0;  // tokens of thinking after which it is closed; 0: no limit
  std::vector<std::string> stop;    // the answer ends before the first of these, whether in the thinking or after it
};

// Each may be empty. keep_going is asked after every token; false stops the answer, as false from on_prefill does, with
// FinishReason::cancelled.
struct ChatObserver {
  std::function<bool(std::size_t done, std::size_t total)> on_prefill;
  std::function<void(const OutputEvent&)> on_event;
  std::function<bool()> keep_going;
};

struct ChatResult {
  std::vector<TokenId> prompt;
  ParsedOutput output;  // the sum of the events, also of an answer that was stopped
  FinishReason reason = FinishReason::stop;
  GenerationStats stats;
  std::vector<TokenEvent> tokens;  // if SamplingParams::logprobs asks for them
};

// The answer as the next message of the conversation: {"role": "assistant", "content", "reasoning_content", "tool_calls"}.
json::object to_message(const ParsedOutput& output);

class ChatPipeline {
 public:
  // Engine::generate, or something that stands for it in a test.
  using Generate = std::function<GenerationResult(const GenerationRequest&, const Engine::PrefillCallback&,
                                                  const Engine::TokenCallback&)>;

  // Makes the grammars' environment and their cache, or returns those it made: asked for with the first constraint.
  using GetGrammars = std::function<GrammarCache&()>;

  // `tokenizer` and `chat_template` must outlive the pipeline. `eos`: the tokens that end an answer.
  ChatPipeline(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::vector<TokenId> eos,
               Generate generate, GetGrammars grammars);

  // Answers the last message. Throws what its steps throw; nothing is kept between calls.
  ChatResult run(const ChatRequest& request, const ChatObserver& observer) const;

 private:
  std::optional<Grammar> grammar_of(const ChatRequest& request, bool thinks) const;

  const Tokenizer& tokenizer_;
  const ChatTemplate& chat_template_;
  std::vector<TokenId> eos_;
  Generate generate_;
  GetGrammars grammars_;
};

}  // namespace glimt

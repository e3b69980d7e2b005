// A conversation in, what an engine and a reader of its answer need out. The first half of ChatPipeline::run.
#pragma once

#include "base/json.h"
#include "chat/output_parser.h"
#include "engine/request.h"
#include "grammar/grammar_cache.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace glimt {

// What the answer has to be, behind the thinking if there is any. Where tools may be called, calls are as good an answer
// as JSON.
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

// Which of the request's tools may be called. All of them stay in the prompt, whatever this says.
struct ToolUse {
  bool banned = false;                    // none: the model cannot write <tool_call>
  std::vector<std::string> allowed = {};  // names; empty: all
  bool parallel = true;                   // false: the answer ends behind its first call
};

struct ChatRequest {
  json::array messages;           // as chat templates take them: {"role", "content", "tool_calls", …}
  json::array tools;              // in OpenAI's form; without any, no markup is a call
  bool thinking = true;           // the template's enable_thinking
  json::object template_options;  // more for the template, e.g. {"clear_thinking": false}
  OutputConstraint constraint = {};
  ToolUse tool_use = {};
  SamplingParams sampling;
  std::size_t max_tokens = 0;       // 0: as many as the context holds
  std::size_t thinking_budget = 0;  // tokens of thinking after which it is closed; 0: no limit
  std::vector<std::string> stop;    // the content ends before the first of these
  bool stop_in_thinking = false;    // they end the answer in the thinking as well
  bool stream_calls = false;        // CallRules::streamed
};

// What of a model a chat needs besides its engine. All that it refers to outlives what is made with it.
struct ChatResources {
  // Makes the grammars' environment and their cache, or returns those it made: asked for with the first constraint.
  using GetGrammars = std::function<GrammarCache&()>;

  const Tokenizer& tokenizer;
  const ChatTemplate& chat_template;
  std::vector<TokenId> eos;  // end an answer
  GetGrammars grammars;
  std::size_t context = Tokenizer::kAnyContext;  // tokens of prompt and answer; a prompt far beyond is not even read
};

// A request that was checked, rendered, tokenized and whose grammar is compiled; only prepare() makes one. An immutable
// value that refers to nothing of the request.
class PreparedChat {
 public:
  // For Engine::submit. The caller may add to a copy what is its own: name_space, deadline. `choice` counts several
  // answers to one request from 0: they differ by their seeds, and share the prompt's rows in the cache.
  GenerationRequest generation(std::uint64_t choice = 0) const;

  const std::vector<TokenId>& prompt() const { return generation_.prompt; }
  const OutputRules& output() const { return output_; }  // for the reader of the answer
  bool keeps_tokens() const { return generation_.sampling.logprobs; }

 private:
  friend PreparedChat prepare(const ChatResources& resources, const ChatRequest& request);
  PreparedChat() = default;

  GenerationRequest generation_;
  OutputRules output_;
};

// May run on any thread, and takes milliseconds for long prompts and new grammars. Throws invalid_request, which names
// the field, and what template, tokenizer and grammars throw.
PreparedChat prepare(const ChatResources& resources, const ChatRequest& request);

}  // namespace glimt

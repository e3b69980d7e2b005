// A conversation in, what an engine and a reader of its answer need out. The first half of ChatPipeline::run.
#pragma once

#include "chat/answer_memory.h"
#include "chat/chat_request.h"
#include "chat/output_parser.h"
#include "engine/request.h"
#include "grammar/grammar_cache.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace glimt {

// What of a model a chat needs besides its engine. All that it refers to outlives what is made with it.
struct ChatResources {
  // Makes the grammars' environment and their cache, or returns those it made: asked for with the first constraint.
  using GetGrammars = std::function<GrammarCache&()>;

  const Tokenizer& tokenizer;
  const ChatTemplate& chat_template;
  std::vector<TokenId> eos;  // end an answer
  GetGrammars grammars;
  std::size_t context = Tokenizer::kAnyContext;    // tokens of prompt and answer; a prompt far beyond is not even read
  std::shared_ptr<AnswerMemory> memory = nullptr;  // of what the model wrote; may be null
};

// A request that was checked, rendered, tokenized and whose grammar is compiled; only what is below makes one. An
// immutable value that refers to nothing of the request.
class PreparedChat {
 public:
  // For Engine::submit. The caller may add to a copy what is its own: name_space, deadline. `choice` counts several
  // answers to one request from 0: they differ by their seeds, and share the prompt's rows in the cache.
  GenerationRequest generation(std::uint64_t choice = 0) const;

  const std::vector<TokenId>& prompt() const { return generation_.prompt; }
  const OutputRules& output() const { return output_; }  // for the reader of the answer
  bool keeps_tokens() const { return generation_.sampling.logprobs; }
  const AnswerRecorder& recorder() const { return recorder_; }  // to be copied for each answer

 private:
  friend PreparedChat prepare_prompt(const ChatResources& resources, const ChatRequest& request,
                                     const RenderedPrompt& prompt);
  PreparedChat() = default;

  GenerationRequest generation_;
  OutputRules output_;
  AnswerRecorder recorder_;
};

// May run on any thread, and takes milliseconds for long prompts and new grammars. Throws invalid_request, which names
// the field, and what template, tokenizer and grammars throw.
PreparedChat prepare(const ChatResources& resources, const ChatRequest& request);

// Whether the last control token opens the thinking: what comes next belongs to it. Text that spells it is none.
bool ends_inside_thinking(const RenderedPrompt& prompt);

// Its two steps, for a caller who has something to say about the prompt: longer than it may be, continued by a
// beginning of the answer, or one that no template made. The second does not look at the request's messages.
RenderedPrompt render_prompt(const ChatResources& resources, const ChatRequest& request);
PreparedChat prepare_prompt(const ChatResources& resources, const ChatRequest& request, const RenderedPrompt& prompt);

}  // namespace glimt

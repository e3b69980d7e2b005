// A conversation in, an answer out. Read this first: ChatPipeline::run is the whole way that a request takes.
#pragma once

#include "chat/answer_stream.h"
#include "chat/prepare.h"
#include "chat/types.h"
#include "engine/engine.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace glimt {

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
  CancelReason cancelled_by = CancelReason::none;
  AnswerEnd end = AnswerEnd::end_token;
  std::string stop_string;  // the one that ended the answer, if AnswerEnd::stop_string
  GenerationStats stats;
  std::size_t thinking_tokens = 0;  // of stats.generated_tokens
  std::vector<TokenEvent> tokens;   // if SamplingParams::logprobs asks for them
};

// Blocks until the answer is complete: for terminals and tests. A server uses prepare() and AnswerStream themselves.
class ChatPipeline {
 public:
  // Engine::generate, or something that stands for it in a test.
  using Generate = std::function<GenerationResult(const GenerationRequest&, const Engine::PrefillCallback&,
                                                  const Engine::TokenCallback&)>;
  using GetGrammars = ChatResources::GetGrammars;

  // `tokenizer` and `chat_template` must outlive the pipeline. `eos`: the tokens that end an answer.
  ChatPipeline(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::vector<TokenId> eos,
               Generate generate, GetGrammars grammars);

  ChatPipeline(ChatResources resources, Generate generate);

  // Answers the last message. Throws what its steps throw; nothing is kept between calls.
  ChatResult run(const ChatRequest& request, const ChatObserver& observer) const;

 private:
  ChatResources resources_;
  Generate generate_;
};

}  // namespace glimt

#include "chat/chat_pipeline.h"

#include <utility>

namespace glimt {

ChatPipeline::ChatPipeline(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::vector<TokenId> eos,
                           Generate generate, GetGrammars grammars)
    : ChatPipeline({tokenizer, chat_template, std::move(eos), std::move(grammars)}, std::move(generate)) {}

ChatPipeline::ChatPipeline(ChatResources resources, Generate generate)
    : resources_(std::move(resources)), generate_(std::move(generate)) {}

ChatResult ChatPipeline::run(const ChatRequest& request, const ChatObserver& observer) const {
  const PreparedChat prepared = prepare(resources_, request);
  AnswerStream answer(resources_.tokenizer, prepared);
  ChatResult result;
  result.prompt = prepared.prompt();
  bool cancelled = false;
  const auto publish = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      result.output.add(event);
      if (observer.on_event) observer.on_event(event);
    }
  };
  const auto on_token = [&](const TokenEvent& token) {
    if (prepared.keeps_tokens()) result.tokens.push_back(token);
    publish(answer.feed(token));
    cancelled = observer.keep_going && !observer.keep_going();
    return !cancelled && !answer.done();
  };
  const GenerationResult generated = generate_(prepared.generation(), observer.on_prefill, on_token);
  const FinishReason reason = cancelled ? FinishReason::cancelled : generated.reason;
  publish(answer.finish(reason));
  result.reason = !cancelled && answer.done() ? FinishReason::stop : reason;
  result.end = answer.end();
  if (answer.stop_string() != nullptr) result.stop_string = *answer.stop_string();
  result.thinking_tokens = answer.thinking_tokens();
  result.stats = generated.stats;
  result.cancelled_by = cancelled ? CancelReason::caller : generated.cancelled_by;
  return result;
}

}  // namespace glimt

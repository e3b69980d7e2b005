#include "cli/answer.h"

#include "cli/answer_printer.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

namespace glimt {
namespace {

std::string quoted(const Tokenizer& tokenizer, TokenId token) {
  return dump_json(json::value(tokenizer.decode(std::span(&token, 1))));
}

}  // namespace

ChatResult stream_answer(const ChatModel& model, const ChatRequest& request, bool show_thinking) {
  AnswerStyle style = style_for(stdout);
  style.thinking = style.thinking || show_thinking;
  AnswerPrinter printer(stdout, style);
  Progress progress("reading the prompt", "tokens");
  bool can_print = true;
  const ChatObserver observer{
      .on_prefill =
          [&](std::size_t done, std::size_t total) {
            progress.update(done, total);
            if (done == total) progress.clear();
            return !interrupted();
          },
      .on_event = [&](const OutputEvent& event) { can_print = can_print && printer.print(event); },
      .keep_going = [&] { return can_print && !interrupted(); }};
  const ChatResult result = model.pipeline().run(request, observer);
  printer.finish();
  return result;
}

std::string describe_tokens(const Tokenizer& tokenizer, const std::vector<TokenEvent>& tokens) {
  std::string text;
  for (const TokenEvent& token : tokens) {
    text += fmt::format("{:<16} {:8.4f}", quoted(tokenizer, token.token), token.logprob);
    for (const TokenLogprob& other : token.top)
      text += fmt::format("   {} {:.4f}", quoted(tokenizer, other.token), other.logprob);
    text += '\n';
  }
  return text;
}

}  // namespace glimt

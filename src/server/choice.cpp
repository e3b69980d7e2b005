#include "server/choice.h"

#include "base/error.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kShownAtCut = 24;  // tokens on each side

}  // namespace

Choice::Choice(const Tokenizer& tokenizer, const PreparedAnswers& answers, std::size_t index,
               std::shared_ptr<Stream> stream, Clock::time_point came)
    : tokenizer_(tokenizer),
      answers_(answers),
      index_(index),
      stream_(std::move(stream)),
      came_(came),
      answer_(tokenizer, answers.prompt_of(index)) {
  if (answers.prompt_of(index).keeps_tokens()) tokens_.emplace(tokenizer);
}

bool Choice::take(AnswerWriter& writer, ServerMetrics& metrics, std::string& out) {
  for (int i = 0; i < kEventsATurn && !ended_; ++i) {
    const std::optional<StreamEvent> event = stream_->poll();
    if (!event) return false;
    if (const auto* progress = std::get_if<PrefillProgress>(&*event)) report(*progress);
    if (const auto* token = std::get_if<TokenEvent>(&*event)) on(*token, writer, metrics, out);
    if (const auto* result = std::get_if<GenerationResult>(&*event)) on(*result, writer, out);
    if (const auto* error = std::get_if<std::exception_ptr>(&*event)) std::rethrow_exception(*error);
  }
  return !ended_;
}

void Choice::report(const PrefillProgress& progress) {
  if (progress_ == nullptr) return;
  progress_->prefilled_tokens = progress.done;
  progress_->phase = RequestProgress::Phase::prefill;
}

void Choice::report(const TokenEvent&) {
  if (progress_ == nullptr) return;
  if (progress_->generated_tokens++ == 0) progress_->first_token = Clock::now();
  const bool thinks = answer_.section() == OutputParser::Section::thinking;
  progress_->phase = thinks ? RequestProgress::Phase::thinking : RequestProgress::Phase::answer;
}

void Choice::on(const TokenEvent& token, AnswerWriter& writer, ServerMetrics& metrics, std::string& out) {
  const Clock::time_point now = Clock::now();
  if (last_token_) {
    metrics.between_tokens(std::chrono::duration<double>(now - *last_token_).count());
  } else {
    times_.first_token = seconds_since_came();
  }
  last_token_ = now;
  if (answer_.done()) return;
  std::vector<OutputEvent> events = answer_.feed(token);
  report(token);
  if (tokens_ && answer_.section() == OutputParser::Section::content) tokens_->push(token);
  publish(std::move(events), writer, out);
  if (answer_.done()) stream_->cancel();
}

void Choice::publish(std::vector<OutputEvent> events, AnswerWriter& writer, std::string& out) {
  for (OutputEvent& event : events) {
    if (std::holds_alternative<ToolCallCut>(event)) call_cut_ = true;
    AnswerPart part{std::move(event), {}};
    const auto* content = std::get_if<ContentDelta>(&part.event);
    if (tokens_ && content != nullptr) part.tokens = tokens_->take(content->text);
    out += writer.part(index_, part);
  }
}

// Of the last token a part may have been shown, and the rest was a stop string's beginning.
void Choice::finish_tokens(AnswerWriter& writer, std::string& out) {
  if (!tokens_) return;
  AnswerPart part{ContentDelta{}, tokens_->finish()};
  if (!part.tokens.empty()) out += writer.part(index_, part);
}

void Choice::on(const GenerationResult& result, AnswerWriter& writer, std::string& out) {
  if (result.reason == FinishReason::cancelled && !answer_.done()) {
    throw Error(ErrorKind::overloaded, "the server stops: the answer was ended");
  }
  publish(answer_.finish(result.reason), writer, out);
  finish_tokens(writer, out);
  out += writer.end(index_, summary(result));
  times_.queue = result.stats.queue_seconds;
  times_.prompt_tokens = result.stats.prompt_tokens;
  times_.reused_tokens = result.stats.reused_tokens;
  times_.generated_tokens = result.stats.generated_tokens;
  ended_ = true;
}

std::pair<std::string, std::string> Choice::around_cut(std::size_t reused) const {
  const std::vector<TokenId>& prompt = answers_.prompt_of(index_).prompt();
  if (reused == 0 || reused > prompt.size()) return {};
  const std::size_t first = reused - std::min(reused, kShownAtCut);
  const auto text = [&](std::size_t from, std::size_t to) {
    std::string joined;
    for (std::size_t i = from; i < to; ++i) joined += tokenizer_.piece(prompt[i]);
    return joined;
  };
  return {text(first, reused), text(reused, std::min(prompt.size(), reused + kShownAtCut))};
}

AnswerSummary Choice::summary(const GenerationResult& result) const {
  const std::size_t room = answers_.room(answers_.prompt_of(index_));
  AnswerSummary summary;
  summary.end = answer_.end();
  summary.context_full = answer_.end() == AnswerEnd::length && (answers_.max_tokens == 0 || answers_.max_tokens > room);
  if (answer_.stop_string() != nullptr) summary.stop_string = *answer_.stop_string();
  summary.call_cut = call_cut_;
  summary.prompt_tokens = result.stats.prompt_tokens;
  summary.reused_tokens = result.stats.reused_tokens;
  summary.generated_tokens = result.stats.generated_tokens;
  summary.thinking_tokens = answer_.thinking_tokens();
  summary.prefill_seconds = result.stats.prefill_seconds;
  summary.decode_seconds = result.stats.decode_seconds;
  summary.total_seconds = seconds_since_came();
  summary.drafted = result.stats.drafted;
  summary.accepted = result.stats.accepted;
  summary.context = answers_.context;
  summary.queue_seconds = result.stats.queue_seconds;
  std::tie(summary.before_cut, summary.behind_cut) = around_cut(result.stats.reused_tokens);
  return summary;
}

}  // namespace glimt

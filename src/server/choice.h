// One of the answers of a request, on its way from the engine's stream to the writer of the dialect.
#pragma once

#include "api/answer_writer.h"
#include "chat/answer_stream.h"
#include "engine/stream.h"
#include "server/metrics.h"
#include "server/prepare_answers.h"
#include "server/request_list.h"
#include "server/shown_tokens.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

// Not thread-safe. All that it is given must outlive it.
class Choice {
 public:
  using Clock = std::chrono::steady_clock;

  // `came`: when the request did.
  Choice(const Tokenizer& tokenizer, const PreparedAnswers& answers, std::size_t index, std::shared_ptr<Stream> stream,
         Clock::time_point came);

  Stream& stream() { return *stream_; }

  // Appends to `out` what the writer makes of at most kEventsATurn events that are there. Returns whether more may be
  // there now. Throws the stream's exception, and overloaded for an answer that the engine gave up.
  bool take(AnswerWriter& writer, ServerMetrics& metrics, std::string& out);

  bool ended() const { return ended_; }
  const AnswerTimes& times() const { return times_; }

  // Told of what happens from now on. Null: nobody is.
  void report_to(RequestProgress* progress) { progress_ = progress; }

  static constexpr int kEventsATurn = 256;

 private:
  void report(const TokenEvent& token);
  void report(const PrefillProgress& progress);
  void on(const TokenEvent& token, AnswerWriter& writer, ServerMetrics& metrics, std::string& out);
  void on(const GenerationResult& result, AnswerWriter& writer, std::string& out);
  void publish(std::vector<OutputEvent> events, AnswerWriter& writer, std::string& out);
  void finish_tokens(AnswerWriter& writer, std::string& out);
  AnswerSummary summary(const GenerationResult& result) const;
  std::pair<std::string, std::string> around_cut(std::size_t reused) const;  // the prompt's text before and behind it
  double seconds_since_came() const { return std::chrono::duration<double>(Clock::now() - came_).count(); }

  const Tokenizer& tokenizer_;
  const PreparedAnswers& answers_;
  const std::size_t index_;
  std::shared_ptr<Stream> stream_;
  Clock::time_point came_;
  AnswerStream answer_;
  std::optional<ShownTokens> tokens_;  // where the request asked for logprobs
  std::optional<Clock::time_point> last_token_;
  AnswerTimes times_;
  RequestProgress* progress_ = nullptr;
  bool call_cut_ = false, ended_ = false;
};

}  // namespace glimt

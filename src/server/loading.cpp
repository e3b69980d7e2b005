#include "server/loading.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

namespace glimt {
namespace {

using Clock = Connection::Clock;

constexpr std::chrono::milliseconds kNewsPause{250};

class LoadingStream {
 public:
  LoadingStream(Exchange& exchange, const ParsedRequest& parsed, const AnswerHead& head)
      : exchange_(exchange),
        writer_(parsed.make_writer(head)),
        fields_(ignored_fields(parsed.request.ignored)),
        name_(parsed.request.model),
        tells_progress_(parsed.request.tells_progress) {}

  void tell() {
    std::string out = tells_progress_ ? news() : std::string();
    const auto now = Clock::now();
    if (out.empty() && now >= next_sign_) out = writer_->keep_alive();
    if (out.empty()) return;
    next_sign_ = now + patience();
    if (!exchange_.started()) exchange_.begin(writer_->content_type(), fields_);
    exchange_.send(out);
  }

 private:
  std::chrono::milliseconds patience() const { return exchange_.service().options.timeouts.keep_alive; }

  std::string news() {
    const std::optional<LoadState> state = exchange_.service().models.loading(name_);
    if (!state) return {};
    AnswerProgress progress{.phase = AnswerProgress::Phase::loading};
    const double loaded = static_cast<double>(state->done_bytes) / std::max(1.0, double(state->total_bytes));
    progress.loaded = std::floor(loaded * 100) / 100;
    if (told_ == progress) return {};
    told_ = progress;
    return writer_->progress(progress);
  }

  Exchange& exchange_;
  std::unique_ptr<AnswerWriter> writer_;
  HttpFields fields_;
  std::string name_;
  bool tells_progress_;
  std::optional<AnswerProgress> told_;
  Clock::time_point next_sign_ = Clock::now() + patience();
};

}  // namespace

Meanwhile while_loading(Exchange& exchange, const ParsedRequest& parsed, const AnswerHead& head) {
  if (!parsed.request.stream) return {};
  auto stream = std::make_shared<LoadingStream>(exchange, parsed, head);
  const auto patience = exchange.service().options.timeouts.keep_alive;
  return {[stream = std::move(stream)] { stream->tell(); },
          parsed.request.tells_progress ? std::min(kNewsPause, patience) : patience};
}

}  // namespace glimt

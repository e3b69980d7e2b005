#include "engine/sequence.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {
namespace {

constexpr double kMaskAllowance = 0.002;  // seconds that each token of an answer adds to the budget of its masks
constexpr double kSlowMask = 0.005;       // seconds, on average; most take some ten microseconds

double seconds_between(EventQueue::Clock::time_point from, EventQueue::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Sequence::Sequence(SequenceId id, GenerationRequest request, std::shared_ptr<EventQueue> events, std::size_t vocab_size,
                   std::size_t context)
    : id_(id),
      request_(std::move(request)),
      events_(std::move(events)),
      limit_(context - request_.prompt.size()),
      tokens_(request_.prompt),
      sampler_(request_.sampling, vocab_size, request_.prompt.size()),
      thinking_(request_.thinking_budget.has_value()) {
  if (request_.max_tokens > 0) limit_ = std::min(limit_, request_.max_tokens);
  if (request_.grammar) constraint_ = std::make_shared<AnswerConstraint>(*request_.grammar);
  stats_.prompt_tokens = request_.prompt.size();
}

int Sequence::prompt_left() const {
  const int left = static_cast<int>(tokens_.size()) - rows.computed;
  return left == 1 && rows.computed > 0 && !embeds() ? 0 : left;
}

void Sequence::take_embedding() {
  embedding_ = pool_.normalized();
  stats_.prefill_seconds = seconds_between(started_, EventQueue::Clock::now());
}

void Sequence::set_drafts(std::vector<TokenId> drafts) {
  // The step gives one token more than there are drafts.
  const std::size_t room = limit_ - std::min(limit_, stats_.generated_tokens + 1);
  if (drafts.size() > room) drafts.resize(room);
  drafts_ = std::move(drafts);
  if (constraint_) drafts_.resize(constraint_->possible(drafts_));
}

std::optional<TokenId> Sequence::guess(std::span<const float> logits, std::span<const TokenId> before,
                                       SamplerScratch& scratch) {
  const std::size_t size = tokens_.size();
  tokens_.insert(tokens_.end(), before.begin(), before.end());
  std::optional<TokenId> token;
  try {
    token = sampler_.choose(logits, tokens_, scratch);
  } catch (const Error&) {
    // No guess; whether the sequence itself is in trouble, the model's own logits tell.
  }
  tokens_.resize(size);
  return token;
}

void Sequence::start_masks(MaskWorker& worker) {
  if (!constraint_ || has_masks_ || masks_) return;
  const bool is_slow = mask_seconds_ > kSlowMask * std::max(1, mask_jobs_);
  masks_ =
      worker.start([constraint = constraint_, drafts = drafts_] { return constraint->compute_masks(drafts); }, is_slow);
}

bool Sequence::take_masks(MaskWorker& worker, MaskWorker::Clock::time_point deadline,
                          std::chrono::duration<double> budget) {
  if (!constraint_ || has_masks_) return true;
  if (!worker.wait(masks_, deadline)) return false;
  const std::shared_ptr<MaskJob> job = std::move(masks_);
  mask_seconds_ += MaskWorker::seconds(*job);
  ++mask_jobs_;
  drafts_.resize(std::min(drafts_.size(), MaskWorker::result(*job)));
  const double allowed = budget.count() + kMaskAllowance * static_cast<double>(stats_.generated_tokens);
  if (mask_seconds_ > allowed) {
    glimt::fail(
        ErrorKind::invalid_request, "grammar",
        "its masks have taken {:.1f} s of processor time, the answer so far may take {:.1f} s: it can be read in "
        "too many ways",
        mask_seconds_, allowed);
  }
  has_masks_ = true;
  return true;
}

// A grammar that does not let the thinking end here has the last word.
bool Sequence::budget_is_spent(std::size_t i) const {
  if (!thinking_ || stats_.generated_tokens < request_.thinking_budget->tokens) return false;
  return !constraint_ || constraint_->allows(i, request_.thinking_budget->close);
}

Sampled Sequence::choose(std::span<float> logits, std::size_t i, std::span<const TokenId> text,
                         SamplerScratch& scratch) const {
  if (constraint_) forbid_all_but(constraint_->mask(i), logits);
  return sampler_.sample(logits, text, scratch);
}

void Sequence::follow_thinking(TokenId token) {
  if (!thinking_) return;
  const ThinkingBudget& budget = *request_.thinking_budget;
  thinking_ = token != budget.close && token != budget.call;
}

bool Sequence::take_token(Sampled sampled, std::size_t i, std::optional<TokenId> draft) {
  const auto now = EventQueue::Clock::now();
  if (stats_.generated_tokens == 0) {
    first_token_ = now;
    stats_.prefill_seconds = seconds_between(started_, now);
  }
  if (budget_is_spent(i)) sampled = {.token = request_.thinking_budget->close, .logprob = 0, .top = {}};
  const TokenId token = sampled.token;
  last_chosen_ = token;
  has_masks_ = false;
  follow_thinking(token);
  if (constraint_) constraint_->accept(token);
  ++stats_.generated_tokens;
  stats_.decode_seconds = seconds_between(first_token_, EventQueue::Clock::now());
  reason_ = FinishReason::stop;
  if (std::find(request_.eos.begin(), request_.eos.end(), token) != request_.eos.end()) return false;
  tokens_.push_back(token);
  events_->push(TokenEvent{token, sampled.logprob, std::move(sampled.top), draft == token});
  const bool guarded = request_.stop_repetition && !constraint_;
  const bool runaway = guarded && repetition_.append(token);
  reason_ = runaway ? FinishReason::repetition : FinishReason::length;
  return stats_.generated_tokens < limit_ && !runaway;
}

void Sequence::started() {
  if (started_ != EventQueue::Clock::time_point{}) return;  // it was set back
  started_ = EventQueue::Clock::now();
  stats_.queue_seconds = seconds_between(submitted_, started_);
}

void Sequence::tell_progress(std::size_t computed) { events_->push(PrefillProgress{computed, request_.prompt.size()}); }

void Sequence::finish(FinishReason reason) noexcept {
  const bool cancelled = reason == FinishReason::cancelled;
  if (cancelled) embedding_.clear();
  events_->end({reason, stats_, cancelled ? events_->cancelled_by() : CancelReason::none, std::move(embedding_)});
}

void Sequence::fail(std::exception_ptr error) noexcept { events_->end(std::move(error)); }

}  // namespace glimt

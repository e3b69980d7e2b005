#include "engine/sequence.h"

#include "base/error.h"

#include <algorithm>
#include <limits>

namespace glimt {
namespace {

double seconds_between(Stream::Clock::time_point from, Stream::Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

void forbid_all_but(std::span<const std::uint32_t> mask, std::span<float> logits) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if ((mask[i / 32] >> (i % 32) & 1) == 0) logits[i] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace

Sequence::Sequence(SequenceId id, GenerationRequest request, std::shared_ptr<Stream> stream, std::size_t vocab_size,
                   std::size_t context)
    : id_(id),
      request_(std::move(request)),
      stream_(std::move(stream)),
      limit_(context - request_.prompt.size()),
      tokens_(request_.prompt),
      sampler_(request_.sampling, vocab_size),
      thinking_(request_.thinking_budget.has_value()) {
  if (request_.max_tokens > 0) limit_ = std::min(limit_, request_.max_tokens);
  if (request_.grammar) matcher_.emplace(request_.grammar->matcher());
  stats_.prompt_tokens = request_.prompt.size();
}

int Sequence::prompt_left() const {
  const int left = static_cast<int>(tokens_.size()) - computed;
  return left == 1 && computed > 0 ? 0 : left;
}

void Sequence::set_drafts(std::vector<TokenId> drafts) {
  // The step gives one token more than there are drafts.
  const std::size_t room = limit_ - std::min(limit_, stats_.generated_tokens + 1);
  if (drafts.size() > room) drafts.resize(room);
  drafts_ = std::move(drafts);
  if (!matcher_ || drafts_.empty()) return;
  std::size_t possible = 0;
  while (possible < drafts_.size() && matcher_->accept(drafts_[possible])) ++possible;
  matcher_->rollback(possible);
  drafts_.resize(possible);
}

std::optional<TokenId> Sequence::guess(std::span<const float> logits, std::span<const TokenId> before) {
  const std::size_t size = tokens_.size();
  tokens_.insert(tokens_.end(), before.begin(), before.end());
  std::optional<TokenId> token;
  try {
    token = sampler_.choose(logits, tokens_);
  } catch (const Error&) {
    // No guess; whether the sequence itself is in trouble, the model's own logits tell.
  }
  tokens_.resize(size);
  return token;
}

void Sequence::compute_masks(std::size_t count) {
  masks_.resize(count + 1);
  for (std::size_t i = 0; i <= count; ++i) {
    masks_[i].resize(request_.grammar->environment().mask_words());
    matcher_->mask(masks_[i]);
    if (i < count) matcher_->accept(drafts_[i]);
  }
  matcher_->rollback(count);
}

TokenId Sequence::choose(std::span<float> logits, std::size_t i, Sampled& sampled) {
  if (thinking_ && stats_.generated_tokens >= request_.thinking_budget->tokens) {
    sampled.token = request_.thinking_budget->close;
    return sampled.token;
  }
  if (matcher_ && matcher_->constrained()) forbid_all_but(masks_[i], logits);
  sampled = sampler_.sample(logits, tokens_);
  return sampled.token;
}

bool Sequence::take_token(std::span<float> logits, std::size_t i) {
  const auto now = Stream::Clock::now();
  if (stats_.generated_tokens == 0) {
    first_token_ = now;
    stats_.prefill_seconds = seconds_between(started_, now);
  }
  Sampled sampled;
  const TokenId token = choose(logits, i, sampled);
  last_chosen_ = token;
  if (thinking_ && token == request_.thinking_budget->close) thinking_ = false;
  if (matcher_) matcher_->accept(token);
  ++stats_.generated_tokens;
  stats_.decode_seconds = seconds_between(first_token_, Stream::Clock::now());
  reason_ = FinishReason::stop;
  if (std::find(request_.eos.begin(), request_.eos.end(), token) != request_.eos.end()) return false;
  tokens_.push_back(token);
  stream_->push(TokenEvent{token, sampled.logprob, std::move(sampled.top)});
  reason_ = FinishReason::length;
  const bool runaway = repetition_.append(token);
  return stats_.generated_tokens < limit_ && !runaway;
}

void Sequence::started() {
  if (started_ != Stream::Clock::time_point{}) return;  // it was set back
  started_ = Stream::Clock::now();
  stats_.queue_seconds = seconds_between(submitted_, started_);
}

void Sequence::finish(FinishReason reason) { stream_->push(GenerationResult{reason, stats_}); }

void Sequence::fail(std::exception_ptr error) { stream_->push(std::move(error)); }

}  // namespace glimt

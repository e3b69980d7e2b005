#include "server/token_history.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

// A counter that is smaller than before is that of a model that was loaded again.
std::uint64_t grown(std::uint64_t count, std::uint64_t before) { return count >= before ? count - before : count; }

}  // namespace

std::int64_t TokenHistory::slot_of(Clock::time_point time) { return time.time_since_epoch() / kSlot; }

void TokenHistory::go_to(std::int64_t slot) {
  const auto ring = static_cast<std::int64_t>(slots_.size());
  for (std::int64_t s = std::max(newest_ + 1, slot - ring + 1); s <= slot; ++s) {
    slots_[static_cast<std::size_t>(s % ring)] = {};
  }
  newest_ = std::max(newest_, slot);
}

void TokenHistory::note(const std::vector<ModelStatus>& models, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  go_to(slot_of(now));
  Count& slot = slots_[static_cast<std::size_t>(newest_) % slots_.size()];
  std::map<std::string, Count> counted;
  for (const ModelStatus& model : models) {
    if (model.state != ModelStatus::State::loaded) continue;
    const Count count{model.metrics.generated_tokens, model.metrics.prompt_tokens};
    const Count before = counted_[model.model.name];
    slot.generated += grown(count.generated, before.generated);
    slot.prompt += grown(count.prompt, before.prompt);
    counted[model.model.name] = count;
  }
  counted_ = std::move(counted);
}

json::object TokenHistory::json(Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  const std::int64_t current = slot_of(now);
  json::array generated, prompt;
  for (std::int64_t s = current - static_cast<std::int64_t>(kSlots); s < current; ++s) {
    const bool kept = s >= 0 && s <= newest_ && newest_ - s < static_cast<std::int64_t>(slots_.size());
    const Count count = kept ? slots_[static_cast<std::size_t>(s) % slots_.size()] : Count{};
    generated.push_back(count.generated);
    prompt.push_back(count.prompt);
  }
  return {{"seconds", kSlot.count()}, {"generated", std::move(generated)}, {"prompt", std::move(prompt)}};
}

}  // namespace glimt

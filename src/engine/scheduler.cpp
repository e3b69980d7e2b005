#include "engine/scheduler.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace glimt {

// A running sequence in the step that is being planned.
struct Scheduler::Slot {
  SequenceId id;
  RunningView view;
  int tokens = 0;  // given so far

  bool decodes() const { return view.prompt_left == 0; }
  int left() const { return view.prompt_left - tokens; }
};

struct Scheduler::Step {
  int budget;
  int available;
  int block_tokens;
  std::vector<Slot> slots;  // by arrival

  // As many of the wanted tokens as budget and blocks allow.
  int give(Slot& slot, int wanted) {
    const auto rows = slot.view.room + std::int64_t{available} * block_tokens;
    const int n = static_cast<int>(std::max<std::int64_t>(0, std::min<std::int64_t>({wanted, budget, rows})));
    const int blocks = (std::max(0, n - slot.view.room) + block_tokens - 1) / block_tokens;
    slot.view.room += blocks * block_tokens - n;
    slot.tokens += n;
    available -= blocks;
    budget -= n;
    return n;
  }
};

bool Plan::empty() const {
  return ended.empty() && preempted.empty() && admitted.empty() && decode.empty() && prefill.empty();
}

Scheduler::Scheduler(const SchedulerLimits& limits) : limits_(limits) {
  const auto check = [](const char* what, int least, int got) {
    if (got < least) fail(ErrorKind::invalid_request, "scheduler", "wanted {} of {} or more, got {}", what, least, got);
  };
  check("max_parallel", 1, limits.max_parallel);
  check("max_queue", 1, limits.max_queue);
  check("step_tokens", limits.max_parallel, limits.step_tokens);
  check("blocks", 1, limits.blocks);
  check("block_tokens", 1, limits.block_tokens);
  check("reserve_blocks", 0, limits.reserve_blocks);
}

bool Scheduler::know(SequenceId id) const {
  const auto same = [id](const Entry& entry) { return entry.id == id; };
  return std::any_of(running_.begin(), running_.end(), same) || std::any_of(waiting_.begin(), waiting_.end(), same);
}

std::optional<Refusal> Scheduler::submit(SequenceId id, int prompt_tokens, Time deadline) {
  if (know(id)) fail(ErrorKind::internal, "scheduler", "sequence {} is there already", id);
  if (prompt_tokens < 1) fail(ErrorKind::internal, "scheduler", "sequence {} has no tokens", id);
  // One more than the prompt: a sequence that may not keep its first token would be ended at once.
  if (blocks_for(std::int64_t{prompt_tokens} + 1) > limits_.blocks) return Refusal::too_large;
  const auto is_new = [](const Entry& entry) { return !entry.set_back; };
  if (std::count_if(waiting_.begin(), waiting_.end(), is_new) >= limits_.max_queue) return Refusal::queue_full;
  waiting_.push_back({id, ++arrivals_, deadline});
  return std::nullopt;
}

bool Scheduler::finish(SequenceId id) {
  const auto same = [id](const Entry& entry) { return entry.id == id; };
  return std::erase_if(running_, same) + std::erase_if(waiting_, same) > 0;
}

Plan Scheduler::plan(const SchedulerView& view) {
  Plan plan;
  const bool blocks_to_come = drop_expired(view.now, plan);
  Step step{limits_.step_tokens, view.available_blocks, limits_.block_tokens, {}};
  for (const Entry& entry : running_) step.slots.push_back({entry.id, view.running(entry.id)});

  if (give_first_tokens(step)) {
    admit(view, step, plan);
  } else if (!blocks_to_come) {
    make_room(step, plan);
  }
  give_drafts(step);
  give_prompts(step);

  for (const Slot& slot : step.slots) {
    if (slot.tokens > 0) (slot.decodes() ? plan.decode : plan.prefill).push_back({slot.id, slot.tokens});
  }
  return plan;
}

// True if a running one was among them: its blocks come back before the next step.
bool Scheduler::drop_expired(Time now, Plan& plan) {
  const auto expired = [&](const Entry& entry) {
    if (entry.deadline > now) return false;
    plan.ended.push_back({entry.id, Refusal::expired});
    return true;
  };
  const bool any_running = std::erase_if(running_, expired) > 0;
  std::erase_if(waiting_, expired);
  return any_running;
}

// To all who decode, and to the oldest whatever it does. The budget has a token for each; false if a block was missing.
bool Scheduler::give_first_tokens(Step& step) const {
  bool all = true;
  for (Slot& slot : step.slots) {
    if (slot.decodes() || &slot == &step.slots.front()) all &= step.give(slot, 1) == 1;
  }
  return all;
}

void Scheduler::make_room(Step& step, Plan& plan) {
  Entry youngest = running_.back();
  if (running_.size() == 1) {
    plan.ended.push_back({youngest.id, Refusal::out_of_blocks});
  } else {
    plan.preempted.push_back(youngest.id);
    youngest.set_back = true;
    waiting_.push_front(youngest);  // it came before all who wait: admission goes by arrival
  }
  step.budget += step.slots.back().tokens;
  step.slots.pop_back();
  running_.pop_back();
}

void Scheduler::admit(const SchedulerView& view, Step& step, Plan& plan) {
  int promised = 0;  // blocks that running prompts will still need
  for (const Slot& slot : step.slots) {
    if (!slot.decodes()) promised += blocks_for(std::max(0, slot.left() + 1 - slot.view.room));
  }
  while (!waiting_.empty() && running() < limits_.max_parallel) {
    const Entry& next = waiting_.front();
    const WaitingView waiting = view.waiting(next.id);
    const int blocks = blocks_for(std::int64_t{waiting.tokens} + 1);
    if (blocks > limits_.blocks) {  // only one that was set back can have grown so long
      plan.ended.push_back({next.id, Refusal::out_of_blocks});
      waiting_.pop_front();
      continue;
    }
    const int reserve = running_.empty() ? 0 : limits_.reserve_blocks * (running() + 1);
    if (blocks - waiting.busy_blocks + promised + reserve > step.available) return;

    // What it takes at once: the cached blocks that were evictable so far, and its first own block, which may come with
    // all rows but one copied from a block that fits in part.
    const int own = blocks - waiting.cached_blocks;
    step.available -= waiting.cached_blocks - waiting.busy_blocks + 1;
    promised += own - 1;
    const RunningView running{waiting.tokens - waiting.cached_blocks * limits_.block_tokens, 1, 1};
    step.slots.push_back({next.id, running});
    plan.admitted.push_back(next.id);
    running_.push_back(next);
    waiting_.pop_front();
  }
}

void Scheduler::give_drafts(Step& step) const {
  std::int64_t prompts = 0;
  for (const Slot& slot : step.slots) prompts += slot.decodes() ? 0 : slot.left();
  int spare = step.budget - static_cast<int>(std::min<std::int64_t>(prompts, limits_.step_tokens / 4));
  for (Slot& slot : step.slots) {
    if (slot.decodes()) spare -= step.give(slot, std::min(slot.view.decode_tokens - 1, spare));
  }
}

void Scheduler::give_prompts(Step& step) const {
  std::vector<Slot*> prompts;
  for (Slot& slot : step.slots) {
    if (!slot.decodes()) prompts.push_back(&slot);
  }
  if (prompts.empty()) return;
  Slot& oldest = *prompts.front();  // may have its first token
  step.give(oldest, std::min(oldest.left(), (step.budget + oldest.tokens + 1) / 2 - oldest.tokens));
  std::stable_sort(prompts.begin(), prompts.end(), [](const Slot* a, const Slot* b) { return a->left() < b->left(); });
  for (Slot* slot : prompts) step.give(*slot, slot->left());
}

}  // namespace glimt

#include "engine/scheduler.h"

#include "base/error.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace glimt {
namespace {

constexpr int kLeastPrompt = 8;        // tokens that the oldest prompt gets however little time there is
constexpr double kPromptShare = 0.25;  // of a step, that drafts leave to prompts

}  // namespace

// A running sequence in the step that is being planned.
struct Scheduler::Slot {
  SequenceId id;
  RunningView view;
  int tokens = 0;  // given so far

  bool decodes() const { return view.prompt_left == 0; }
  int left() const { return view.prompt_left - tokens; }
};

// What the step that is being planned has left to give: tokens, blocks, slots, time.
struct Scheduler::Room {
  int budget;
  int available;
  int block_tokens;
  std::vector<Slot> slots;           // by arrival
  const StepBudget* time = nullptr;  // set while a sequence decodes
  double seconds = 0;                // of it that are left

  // As many tokens as fit into a share of the time that is left.
  int affordable(const Slot& slot, double share) const {
    return time == nullptr ? budget : time->affordable(slot.view.depth + slot.tokens, share * seconds);
  }

  // As many of the wanted tokens as budget and blocks allow.
  int give(Slot& slot, int wanted) {
    const auto rows = slot.view.room + std::int64_t{available} * block_tokens;
    const int n = static_cast<int>(std::max<std::int64_t>(0, std::min<std::int64_t>({wanted, budget, rows})));
    const int blocks = (std::max(0, n - slot.view.room) + block_tokens - 1) / block_tokens;
    slot.view.room += blocks * block_tokens - n;
    if (time != nullptr) seconds -= time->cost(slot.view.depth + slot.tokens, n);
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

bool Scheduler::accepts(int max_queue, int own, int all) {
  return all < max_queue || (own < (max_queue + 7) / 8 && all < 2 * std::int64_t{max_queue});
}

std::map<std::string, int> Scheduler::waiting_by_name_space() const {
  std::map<std::string, int> waiting;
  for (const auto& [name, owner] : owners_) waiting[name] = owner.waiting;
  return waiting;
}

std::optional<Refusal> Scheduler::submit(SequenceId id, int prompt_tokens, Time deadline, std::string_view name_space) {
  if (know(id)) fail(ErrorKind::internal, "scheduler", "sequence {} is there already", id);
  if (prompt_tokens < 1) fail(ErrorKind::internal, "scheduler", "sequence {} has no tokens", id);
  // One more than the prompt: a sequence that may not keep its first token would be ended at once.
  if (blocks_for(std::int64_t{prompt_tokens} + 1) > limits_.blocks) return Refusal::too_large;
  const auto known = owners_.find(name_space);
  const int own = known == owners_.end() ? 0 : known->second.waiting;
  const auto is_new = [](const Entry& entry) { return !entry.set_back; };
  const auto all = static_cast<int>(std::count_if(waiting_.begin(), waiting_.end(), is_new));
  if (!accepts(limits_.max_queue, own, all)) return Refusal::queue_full;
  const auto owner = known != owners_.end() ? known : owners_.emplace(name_space, Owner()).first;
  ++owner->second.waiting;
  waiting_.push_back({id, ++arrivals_, deadline, owner});
  return std::nullopt;
}

// An entry leaves running_ or waiting_.
void Scheduler::leave(const Entry& entry, bool running) {
  Owner& owner = entry.owner->second;
  if (running) {
    --owner.running;
  } else if (!entry.set_back) {
    --owner.waiting;
  }
}

bool Scheduler::finish(SequenceId id) {
  Owners::iterator owner;
  const auto forget = [&](bool running) {
    return [&, running](const Entry& entry) {
      if (entry.id != id) return false;
      leave(entry, running);
      owner = entry.owner;
      return true;
    };
  };
  if (std::erase_if(running_, forget(true)) + std::erase_if(waiting_, forget(false)) == 0) return false;
  const auto same = [&](const Entry& entry) { return entry.owner == owner; };
  const bool has_more =
      std::any_of(running_.begin(), running_.end(), same) || std::any_of(waiting_.begin(), waiting_.end(), same);
  if (!has_more) owners_.erase(owner);
  return true;
}

Scheduler::Room Scheduler::room_of_step(const SchedulerView& view) const {
  Room room{limits_.step_tokens, view.available_blocks, limits_.block_tokens, {}};
  for (const Entry& entry : running_) room.slots.push_back({entry.id, view.running(entry.id)});
  const bool anybody_decodes =
      std::any_of(room.slots.begin(), room.slots.end(), [](const Slot& slot) { return slot.decodes(); });
  if (view.budget && anybody_decodes) {
    room.time = &*view.budget;
    room.seconds = view.budget->seconds;
  }
  return room;
}

Plan Scheduler::plan(const SchedulerView& view) {
  Plan plan;
  const bool blocks_to_come = drop_expired(view.now, plan);
  Room room = room_of_step(view);

  if (give_first_tokens(room)) {
    admit(view, room, plan);
    share_slots(room, plan);
  } else if (!blocks_to_come) {
    make_room(room, plan);
  }
  give_drafts(room);
  give_prompts(room);

  for (const Slot& slot : room.slots) {
    if (slot.tokens > 0) (slot.decodes() ? plan.decode : plan.prefill).push_back({slot.id, slot.tokens});
  }
  return plan;
}

// True if a running one was among them: its blocks come back before the next step.
bool Scheduler::drop_expired(Time now, Plan& plan) {
  const auto note = [&](const auto& entries) {
    for (const Entry& entry : entries) {
      if (entry.deadline <= now) plan.ended.push_back({entry.id, Refusal::expired});
    }
  };
  note(running_);
  const bool any_running = !plan.ended.empty();
  note(waiting_);
  for (const Plan::Ended& ended : plan.ended) finish(ended.id);
  return any_running;
}

// A token for each that decodes, and for the oldest in any case; the budget has as many. False if a block was missing.
bool Scheduler::give_first_tokens(Room& room) const {
  bool all = true;
  for (Slot& slot : room.slots) {
    if (slot.decodes() && slot.view.decode_tokens == 0) continue;
    if (slot.decodes() || &slot == &room.slots.front()) all &= room.give(slot, 1) == 1;
  }
  return all;
}

void Scheduler::make_room(Room& room, Plan& plan) {
  if (running_.size() == 1) {
    plan.ended.push_back({running_.front().id, Refusal::out_of_blocks});
    finish(running_.front().id);
    room.slots.clear();
    return;
  }
  std::map<const Owner*, int> held;
  for (std::size_t i = 0; i < running_.size(); ++i) held[&running_[i].owner->second] += room.slots[i].view.blocks;
  std::size_t victim = running_.size() - 1;
  for (std::size_t i = victim; i-- > 1;) {
    if (held[&running_[i].owner->second] > held[&running_[victim].owner->second]) victim = i;
  }
  set_back(victim, room, plan);
}

// The sequence waits again, in the order of arrival.
void Scheduler::set_back(std::size_t index, Room& room, Plan& plan) {
  const auto offset = static_cast<std::ptrdiff_t>(index);
  Entry entry = running_[index];
  plan.preempted.push_back(entry.id);
  leave(entry, true);
  entry.set_back = true;
  const auto later = [&](const Entry& other) { return other.arrival > entry.arrival; };
  waiting_.insert(std::find_if(waiting_.begin(), waiting_.end(), later), entry);
  room.budget += room.slots[index].tokens;
  room.slots.erase(room.slots.begin() + offset);
  running_.erase(running_.begin() + offset);
}

// The first of each name space is before those behind it; a strict comparison keeps the order of arrival among equals.
std::deque<Scheduler::Entry>::iterator Scheduler::next_in_line() {
  const auto rank = [](const Entry& entry) {
    return std::tuple(entry.waits, entry.owner->second.running, entry.owner->second.served);
  };
  const auto next = std::min_element(waiting_.begin(), waiting_.end(),
                                     [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
  return next == waiting_.end() || next->waits ? waiting_.end() : next;
}

bool Scheduler::waits_for_rows(const Entry& entry, const SchedulerView& view) const {
  return view.waits_for && std::any_of(running_.begin(), running_.end(), [&](const Entry& other) {
           return other.owner == entry.owner && view.waits_for(entry.id, other.id);
         });
}

// A request that still waits here has found no slot or no blocks.
void Scheduler::share_slots(Room& room, Plan& plan) {
  const auto next = next_in_line();
  if (next == waiting_.end() || !plan.ended.empty()) return;
  const int own = next->owner->second.running;
  std::size_t victim = 0;
  for (std::size_t i = 1; i < running_.size(); ++i) {
    const int others = running_[i].owner->second.running;
    if (others >= own + 2 && others >= running_[victim].owner->second.running) victim = i;
  }
  if (victim > 0) set_back(victim, room, plan);
}

void Scheduler::admit(const SchedulerView& view, Room& room, Plan& plan) {
  int promised = 0;  // blocks that running prompts will still need
  for (const Slot& slot : room.slots) {
    if (!slot.decodes()) promised += blocks_for(std::max(0, slot.left() + 1 - slot.view.room));
  }
  for (Entry& entry : waiting_) entry.waits = false;
  while (running() < limits_.max_parallel) {
    const auto place = next_in_line();
    if (place == waiting_.end()) return;
    if (waits_for_rows(*place, view)) {
      place->waits = true;
      continue;
    }
    const Entry next = *place;
    const WaitingView waiting = view.waiting(next.id);
    const int blocks = blocks_for(std::int64_t{waiting.tokens} + 1);
    if (blocks > limits_.blocks) {  // only one that was set back can have grown so long
      plan.ended.push_back({next.id, Refusal::out_of_blocks});
      finish(next.id);
      continue;
    }
    const int reserve = running_.empty() ? 0 : limits_.reserve_blocks * (running() + 1);
    if (blocks - waiting.busy_blocks + promised + reserve > room.available) return;

    // What it takes at once: the cached blocks that were evictable so far, and its first own block, which may come with
    // all rows but one copied from a block that fits in part.
    const int own = blocks - waiting.cached_blocks;
    room.available -= waiting.cached_blocks - waiting.busy_blocks + 1;
    promised += own - 1;
    const int cached = waiting.cached_blocks * limits_.block_tokens;
    room.slots.push_back({next.id, {waiting.tokens - cached, 1, 1, cached}});
    plan.admitted.push_back(next.id);
    leave(next, false);
    next.owner->second.served = ++admissions_;
    ++next.owner->second.running;
    running_.push_back(next);
    waiting_.erase(place);
  }
}

void Scheduler::give_drafts(Room& room) const {
  std::int64_t prompts = 0;
  for (const Slot& slot : room.slots) prompts += slot.decodes() ? 0 : slot.left();
  int spare = room.budget - static_cast<int>(std::min<std::int64_t>(prompts, limits_.step_tokens / 4));
  const double share = prompts > 0 ? 1 - kPromptShare : 1;
  for (Slot& slot : room.slots) {
    if (!slot.decodes()) continue;
    spare -= room.give(slot, std::min({slot.view.decode_tokens - 1, spare, room.affordable(slot, share)}));
  }
}

void Scheduler::give_prompts(Room& room) const {
  std::vector<Slot*> prompts;
  for (Slot& slot : room.slots) {
    if (!slot.decodes()) prompts.push_back(&slot);
  }
  if (prompts.empty()) return;
  Slot& oldest = *prompts.front();  // may have its first token
  const int half = (room.budget + oldest.tokens + 1) / 2 - oldest.tokens;
  const int in_time = std::max(room.affordable(oldest, 0.5), kLeastPrompt - oldest.tokens);
  room.give(oldest, std::min({oldest.left(), half, in_time}));
  std::stable_sort(prompts.begin(), prompts.end(), [](const Slot* a, const Slot* b) { return a->left() < b->left(); });
  for (Slot* slot : prompts) room.give(*slot, std::min(slot->left(), room.affordable(*slot, 1)));
}

}  // namespace glimt

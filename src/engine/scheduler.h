// Continuous batching as pure policy: which sequences run in the next step, and with how many tokens. Knows neither
// tokens nor rows; it counts them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace glimt {

using SequenceId = std::uint64_t;

struct SchedulerLimits {
  int max_parallel = 8;    // sequences that run at once
  int max_queue = 256;     // requests that wait for their first turn
  int step_tokens = 512;   // most tokens of one step; at least max_parallel
  int blocks = 0;          // of the pool
  int block_tokens = 0;    // rows of a block
  int reserve_blocks = 1;  // that admission leaves for each running sequence to grow into
};

enum class Refusal {
  queue_full,     // too many wait: come again later
  too_large,      // the prompt would not fit even if it were alone
  expired,        // its deadline has passed
  out_of_blocks,  // it has grown until it fills the pool alone
};

// A running sequence, between two steps.
struct RunningView {
  int prompt_left = 0;    // tokens before the first one that it may sample; 0: it decodes
  int decode_tokens = 1;  // then: 1 + drafts
  int room = 0;           // free rows in the blocks that it holds
};

// A waiting one, against the prefix cache as it is now.
struct WaitingView {
  int tokens = 0;         // of its prompt, and of its answer if it was set back
  int cached_blocks = 0;  // full blocks at the beginning that are in the prefix cache (PrefixCache::peek)
  int busy_blocks = 0;    // of these, held by running sequences anyway
};

struct SchedulerView {
  int available_blocks = 0;  // free or evictable
  std::chrono::steady_clock::time_point now;
  std::function<RunningView(SequenceId)> running;  // asked once a step for everyone who runs
  std::function<WaitingView(SequenceId)> waiting;  // asked for the head of the queue, and the next while it fits
};

// To be carried out in this order. The blocks that all of it needs are no more than were available.
struct Plan {
  struct Ended {
    SequenceId id;
    Refusal why;
  };
  struct Work {
    SequenceId id;
    int tokens;
  };

  std::vector<Ended> ended;           // forgotten by the scheduler: tell the client, release the blocks
  std::vector<SequenceId> preempted;  // wait again: leave the blocks to the prefix cache and release them
  std::vector<SequenceId> admitted;   // run now: take the prefix; one block may be allocated at once (to copy a part)
  std::vector<Work> decode;           // 1 + at most so many drafts as were asked for
  std::vector<Work> prefill;          // so many tokens of the prompt, or what is left of it if that is less

  bool empty() const;
};

// How it decides, each step:
// - Everyone who decodes gets a token, and drafts while the budget lasts; a quarter of it is kept for prompts.
// - Prompts: the oldest gets half of what is left (so the longest prompt ends), the rest goes to those with the least
//   to do (so a short prompt never waits for a long one, and equal prompts end one after the other, not all at last).
// - Requests are admitted in the order of arrival, when all blocks of the prompt and the reserve are there. Nobody who
//   waits is overtaken by a later request.
// - When a sequence that decodes, or the oldest, finds no block, the youngest is set back to the queue: one a step,
//   since only the next view shows what that freed (blocks may be shared). So the oldest always gets on, nothing
//   deadlocks, and a sequence alone without a block has reached the end of what this machine can do.
//
// Used by one thread.
class Scheduler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Throws invalid_request for limits that let nobody run.
  explicit Scheduler(const SchedulerLimits& limits);

  // Queues a request; ids are never used again. Or says why not: queue_full, too_large.
  // Throws internal for a known id or a prompt without tokens.
  std::optional<Refusal> submit(SequenceId id, int prompt_tokens, Time deadline = Time::max());

  // Forgets a sequence that finished, failed or was cancelled, running or waiting. False if it is not known (any more).
  bool finish(SequenceId id);

  // The next step. An empty plan while requests wait means that someone who is not a sequence here holds the blocks.
  Plan plan(const SchedulerView& view);

  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  const SchedulerLimits& limits() const { return limits_; }

 private:
  struct Entry {
    SequenceId id;
    std::uint64_t arrival;
    Time deadline;
    bool set_back = false;  // has run before
  };
  struct Slot;
  struct Step;

  int blocks_for(std::int64_t tokens) const {
    return static_cast<int>((tokens + limits_.block_tokens - 1) / limits_.block_tokens);
  }
  bool know(SequenceId id) const;
  bool drop_expired(Time now, Plan& plan);
  bool give_first_tokens(Step& step) const;
  void make_room(Step& step, Plan& plan);
  void admit(const SchedulerView& view, Step& step, Plan& plan);
  void give_drafts(Step& step) const;
  void give_prompts(Step& step) const;

  SchedulerLimits limits_;
  std::uint64_t arrivals_ = 0;
  std::deque<Entry> waiting_;  // both by arrival
  std::vector<Entry> running_;
};

}  // namespace glimt

// Continuous batching as pure policy: which sequences run in the next step, and with how many tokens. Knows neither
// tokens nor rows; it counts them.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

using SequenceId = std::uint64_t;

struct SchedulerLimits {
  int max_parallel = 8;    // sequences that run at once
  int max_queue = 256;     // requests that wait for their first turn; see Scheduler::submit
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
  int decode_tokens = 1;  // then: 1 + drafts; 0: it waits for something else and sits this step out
  int room = 0;           // free rows in the blocks that it holds
  int depth = 0;          // rows before its next one
  int blocks = 0;         // that it holds
};

// A waiting one, against the prefix cache as it is now.
struct WaitingView {
  int tokens = 0;         // of its prompt, and of its answer if it was set back
  int cached_blocks = 0;  // full blocks at the beginning that are in the prefix cache (PrefixCache::peek)
  int busy_blocks = 0;    // of these, held by running sequences anyway
};

// How long a step may take while a sequence decodes: every sequence that decodes waits for it.
struct StepBudget {
  double seconds = 0;
  // What `rows` rows behind `depth` others take, and how many fit into so many seconds; the second grows with the
  // seconds.
  std::function<double(int depth, int rows)> cost;
  std::function<int(int depth, double seconds)> affordable;
};

struct SchedulerView {
  int available_blocks = 0;  // free or evictable
  std::chrono::steady_clock::time_point now;
  std::function<RunningView(SequenceId)> running;  // asked once a step for each that runs
  std::function<WaitingView(SequenceId)> waiting;  // asked for the next in line, while it fits
  std::optional<StepBudget> budget = std::nullopt;
  // Whether a waiting one needs many rows that a running one of its name space is about to compute: then it lets others
  // pass until they are in the prefix cache. May be empty.
  std::function<bool(SequenceId waiting, SequenceId running)> waits_for = {};
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
// - Every sequence that decodes gets a token, and drafts while the budget lasts; a quarter of it is kept for prompts.
// - Prompts: the oldest gets half of what is left (so the longest prompt ends), the rest goes to those with the least
//   to do (so a short prompt never waits for a long one, and equal prompts end one after the other, not all at last).
// - While a sequence decodes, a step also has a budget of time, shared out in the same way; the oldest prompt gets a
//   few tokens in any case, so that it ends.
// - The next to be admitted is of the name space that has the fewest running, of equal ones of that which was served
//   longest ago; within a name space the order is that of arrival. It is admitted when all blocks of its prompt and
//   the reserve are there, and none is admitted before it, unless it waits for rows that another one computes: so
//   several requests with one prompt compute it once.
// - When it finds no slot or no blocks, and another name space has two running more than its own, the youngest of
//   that one is set back: one client with many requests keeps no other waiting, and alone it has everything.
// - When a sequence that decodes, or the oldest, finds no block, one is set back: the youngest of the name space that
//   holds the most blocks, but never the oldest of all. So the oldest always gets on, nothing deadlocks, and a
//   sequence alone without a block has reached the end of what this machine can do.
// - One a step is set back, since only the next view shows what that freed (blocks may be shared).
//
// Used by one thread.
class Scheduler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Throws invalid_request for limits that let no sequence run.
  explicit Scheduler(const SchedulerLimits& limits);

  // Queues a request; ids are never used again. Or says why not: queue_full (see accepts), too_large.
  // Throws internal for a known id or a prompt without tokens.
  std::optional<Refusal> submit(SequenceId id, int prompt_tokens, Time deadline = Time::max(),
                                std::string_view name_space = {});

  // Whether the queue takes a request of a name space of which `own` wait, of `all` that wait. One name space alone may
  // fill it to max_queue. Then each other one still finds a few places, an eighth of it, until it holds twice as many
  // in all.
  static bool accepts(int max_queue, int own, int all);

  // Forgets a sequence that finished, failed or was cancelled, running or waiting. False if it is not known (any more).
  bool finish(SequenceId id);

  // The next step. An empty plan while requests wait means that no sequence of this scheduler holds the blocks.
  Plan plan(const SchedulerView& view);

  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  std::map<std::string, int> waiting_by_name_space() const;  // for their first turn
  const SchedulerLimits& limits() const { return limits_; }

 private:
  // A name space that has sequences here.
  struct Owner {
    int waiting = 0;  // for their first turn
    int running = 0;
    std::uint64_t served = 0;  // when one of its requests was admitted last
  };
  using Owners = std::map<std::string, Owner, std::less<>>;
  struct Entry {
    SequenceId id;
    std::uint64_t arrival;
    Time deadline;
    Owners::iterator owner;
    bool set_back = false;  // has run before
    bool waits = false;     // in the step at hand, for rows of another
  };
  struct Slot;
  struct Room;

  int blocks_for(std::int64_t tokens) const {
    return static_cast<int>((tokens + limits_.block_tokens - 1) / limits_.block_tokens);
  }
  bool know(SequenceId id) const;
  Room room_of_step(const SchedulerView& view) const;
  bool drop_expired(Time now, Plan& plan);
  void leave(const Entry& entry, bool running);
  bool give_first_tokens(Room& room) const;
  void make_room(Room& room, Plan& plan);
  void set_back(std::size_t index, Room& room, Plan& plan);
  void admit(const SchedulerView& view, Room& room, Plan& plan);
  bool waits_for_rows(const Entry& entry, const SchedulerView& view) const;
  std::deque<Entry>::iterator next_in_line();  // the end if all wait for rows
  void share_slots(Room& room, Plan& plan);
  void give_drafts(Room& room) const;
  void give_prompts(Room& room) const;

  SchedulerLimits limits_;
  std::uint64_t arrivals_ = 0, admissions_ = 0;
  Owners owners_;
  std::deque<Entry> waiting_;   // by arrival
  std::vector<Entry> running_;  // by admission
};

}  // namespace glimt

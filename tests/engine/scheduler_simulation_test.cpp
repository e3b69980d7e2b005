// Whole lives of random requests under the scheduler, over the real BlockPool and PrefixCache, with a fake model: the
// row of a position is a hash of all tokens up to it, the next token is a function of that. So a row that was shared
// wrongly, evicted too early, or written by another sequence shows.
#include "cache/block_pool.h"
#include "cache/prefix_cache.h"
#include "engine/scheduler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>

namespace glimt {
namespace {

using Tokens = std::vector<TokenId>;
using Row = std::uint64_t;
constexpr TokenId kAlphabet = 4;  // small: drafts and prefixes often fit

Row extend(Row before, TokenId token) {
  Row x = (before ^ static_cast<Row>(token + 1)) * 0x9E3779B97F4A7C15U;
  return x ^ (x >> 29);
}
Row row_of(const std::string& name_space, const Tokens& tokens, std::size_t position) {
  Row row = name_space.size();
  for (std::size_t i = 0; i <= position; ++i) row = extend(row, tokens[i]);
  return row;
}
TokenId next_token(Row row) { return static_cast<TokenId>((row >> 40) % kAlphabet); }

struct Sequence {
  SequenceId id;
  std::string name_space;
  Tokens tokens;
  std::size_t prompt;
  std::size_t wanted;  // tokens in the end
  Scheduler::Time deadline;
  std::size_t rows = 0;        // computed
  std::uint64_t admitted = 0;  // a number that grows
  bool running = false;
  bool prefilling = true;
  std::vector<int> blocks;
  std::size_t overtaken = 0;  // prompt tokens of those admitted later, while this prompt was being computed
  std::size_t own_work = 0;   // prompt tokens of this one and those admitted before meanwhile
};

struct Outcome {
  std::string how;
  Tokens tokens;
};

struct Totals {
  int preempted = 0, reused = 0, ended_for_blocks = 0, expired = 0, cancelled = 0, finished = 0;
};

struct Load {
  int requests;
  std::size_t most_prompt;
  std::size_t most_answer;
  int arrivals_in_ten_steps;
  bool cancels;
  int name_spaces = 1;
};

class Simulation {
 public:
  Simulation(const SchedulerLimits& limits, unsigned seed)
      : limits_(limits),
        block_tokens_(static_cast<std::size_t>(limits.block_tokens)),
        random_(seed),
        scheduler_(limits),
        pool_(limits.blocks),
        cache_(pool_, limits.block_tokens),
        rows_(static_cast<std::size_t>(limits.blocks) * block_tokens_) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  void submit(Scheduler::Time deadline, const Load& load) {
    Sequence s;
    s.id = next_id_++;
    s.name_space = std::string(below(4) == 0 ? below(static_cast<std::size_t>(load.name_spaces)) : 0, 'b');
    const std::size_t prompt = 1 + below(load.most_prompt);
    for (std::size_t i = 0; i < prompt; ++i) s.tokens.push_back(static_cast<TokenId>(below(12) == 0));
    s.prompt = prompt;
    s.wanted = prompt + 1 + below(load.most_answer);
    s.deadline = deadline;
    if (const auto refusal = scheduler_.submit(s.id, static_cast<int>(prompt), deadline, s.name_space)) {
      const bool too_large = blocks_for(prompt + 1) > pool_.size();
      ASSERT_EQ(*refusal, too_large ? Refusal::too_large : Refusal::queue_full);
      return;
    }
    live_.emplace(s.id, std::move(s));
  }

  void cancel_one() {
    if (live_.empty()) return;
    auto victim = live_.begin();
    std::advance(victim, below(live_.size()));
    end(victim->first, "cancelled");
  }

  void step(Scheduler::Time now) {
    now_ = now;
    const int running_before = scheduler_.running();
    SequenceId oldest_id = 0;
    for (const auto& [id, s] : live_) {
      if (s.running && (oldest_id == 0 || s.admitted < live_.at(oldest_id).admitted)) oldest_id = id;
    }
    const int available = pool_.free_count() + cache_.evictable();
    const Plan plan = scheduler_.plan({available, now, [&](SequenceId id) { return view_of(live_.at(id)); },
                                       [&](SequenceId id) { return waiting_view_of(live_.at(id)); }});
    for (const auto& [id, why] : plan.ended) ASSERT_NO_FATAL_FAILURE(refuse(id, why));
    for (const SequenceId id : plan.preempted) ASSERT_NO_FATAL_FAILURE(set_back(live_.at(id)));
    for (const SequenceId id : plan.admitted) ASSERT_NO_FATAL_FAILURE(admit(live_.at(id)));
    ASSERT_NO_FATAL_FAILURE(check(plan, running_before, oldest_id));
    for (const auto& [id, tokens] : plan.decode) ASSERT_NO_FATAL_FAILURE(decode(id, static_cast<std::size_t>(tokens)));
    for (const auto& [id, tokens] : plan.prefill)
      ASSERT_NO_FATAL_FAILURE(prefill(id, static_cast<std::size_t>(tokens)));
  }

  bool done() const { return live_.empty(); }

  void check_end() {
    ASSERT_EQ(scheduler_.running() + scheduler_.waiting(), 0);
    ASSERT_EQ(pool_.free_count() + cache_.held(), pool_.size()) << "a block is lost";
    ASSERT_EQ(cache_.evictable(), cache_.held());
    cache_.clear();
    ASSERT_EQ(pool_.free_count(), pool_.size());
  }

  const Totals& totals() const { return totals_; }

 private:
  int blocks_for(std::size_t tokens) const { return static_cast<int>((tokens + block_tokens_ - 1) / block_tokens_); }
  Row& row(const Sequence& s, std::size_t position) {
    return rows_[static_cast<std::size_t>(s.blocks.at(position / block_tokens_)) * block_tokens_ +
                 position % block_tokens_];
  }

  RunningView view_of(const Sequence& s) {
    EXPECT_TRUE(s.running);
    RunningView view;
    view.prompt_left = s.prefilling ? static_cast<int>(s.tokens.size() - s.rows) : 0;
    view.decode_tokens = 1 + static_cast<int>(below(5));
    view.room = static_cast<int>(s.blocks.size() * block_tokens_ - s.rows);
    view.depth = static_cast<int>(s.rows);
    view.blocks = static_cast<int>(s.blocks.size());
    return view;
  }
  WaitingView waiting_view_of(const Sequence& s) const {
    const auto coverage = cache_.peek(s.name_space, s.tokens);
    return {static_cast<int>(s.tokens.size()), coverage.blocks, coverage.busy};
  }

  std::optional<int> allocate() {
    if (pool_.free_count() == 0) cache_.evict(1);
    return pool_.allocate();
  }

  void leave_prefix(Sequence& s) {
    for (std::size_t i = 0; i < s.rows; ++i) ASSERT_EQ(row(s, i), row_of(s.name_space, s.tokens, i)) << "row " << i;
    cache_.insert(s.name_space, std::span(s.tokens).first(s.rows), s.blocks);
    for (const int block : s.blocks) pool_.release(block);
    s.blocks.clear();
    s.rows = 0;
    s.running = false;
  }

  void end(SequenceId id, std::string_view how) {
    Sequence& s = live_.at(id);
    ASSERT_NO_FATAL_FAILURE(leave_prefix(s));
    for (std::size_t i = s.prompt; i < s.tokens.size(); ++i) {
      ASSERT_EQ(s.tokens[i], next_token(row_of(s.name_space, s.tokens, i - 1))) << "a lost, mixed or doubled token";
    }
    if (how == "finished") {
      ASSERT_EQ(s.tokens.size(), s.wanted);
      ++totals_.finished;
    }
    if (how == "cancelled") ++totals_.cancelled;
    if (how == "finished" || how == "cancelled") {
      ASSERT_TRUE(scheduler_.finish(id));
    }
    live_.erase(id);
  }

  void refuse(SequenceId id, Refusal why) {
    const Sequence& s = live_.at(id);
    if (why == Refusal::expired) {
      ASSERT_LE(s.deadline, now_);
      ++totals_.expired;
    } else {
      ASSERT_EQ(why, Refusal::out_of_blocks);
      ASSERT_TRUE(std::ssize(s.blocks) == pool_.size() || blocks_for(s.tokens.size() + 1) > pool_.size());
      ++totals_.ended_for_blocks;
    }
    end(id, "refused");
  }

  void set_back(Sequence& s) {
    ++totals_.preempted;
    leave_prefix(s);
    s.prefilling = true;
  }

  void admit(Sequence& s) {
    const PrefixMatch found = cache_.match(s.name_space, s.tokens);
    s.running = true;
    s.admitted = ++admissions_;
    s.blocks = found.blocks;
    s.rows = found.blocks.size() * block_tokens_;
    if (found.partial) {
      if (const auto copy = allocate()) {
        const auto from = rows_.begin() + static_cast<std::ptrdiff_t>(found.partial->block) * limits_.block_tokens;
        std::copy_n(from, found.partial->tokens,
                    rows_.begin() + static_cast<std::ptrdiff_t>(*copy) * limits_.block_tokens);
        s.blocks.push_back(*copy);
        s.rows += static_cast<std::size_t>(found.partial->tokens);
      }
      pool_.release(found.partial->block);
    }
    totals_.reused += static_cast<int>(s.rows);
  }

  // Rows for `tokens` from s.rows on, in blocks that no other sequence holds.
  void write(Sequence& s, const Tokens& tokens) {
    while (s.blocks.size() * block_tokens_ < s.rows + tokens.size()) {
      const auto block = allocate();
      ASSERT_TRUE(block.has_value()) << "the plan needs more blocks than there are";
      s.blocks.push_back(*block);
    }
    Tokens all(s.tokens.begin(), s.tokens.begin() + static_cast<std::ptrdiff_t>(s.rows));
    for (const TokenId token : tokens) {
      all.push_back(token);
      ASSERT_EQ(pool_.references(s.blocks.at((all.size() - 1) / block_tokens_)), 1) << "written into a shared block";
      row(s, all.size() - 1) = row_of(s.name_space, all, all.size() - 1);
    }
  }

  void decode(SequenceId id, std::size_t count) {
    Sequence& s = live_.at(id);
    ASSERT_TRUE(s.running && !s.prefilling);
    Tokens run{s.tokens.back()};
    while (run.size() < count) run.push_back(static_cast<TokenId>(below(kAlphabet)));  // drafts, a quarter right
    ASSERT_NO_FATAL_FAILURE(write(s, run));
    for (std::size_t i = 0; i < run.size(); ++i) {
      if (i > 0 && run[i] != s.tokens.back()) break;
      ++s.rows;
      s.tokens.push_back(next_token(row(s, s.rows - 1)));
      if (s.tokens.size() == s.wanted) return end(id, "finished");
    }
  }

  void prefill(SequenceId id, std::size_t count) {
    Sequence& s = live_.at(id);
    ASSERT_TRUE(s.running && s.prefilling);
    const std::size_t n = std::min(count, s.tokens.size() - s.rows);
    const auto from = s.tokens.begin() + static_cast<std::ptrdiff_t>(s.rows);
    ASSERT_NO_FATAL_FAILURE(write(s, Tokens(from, from + static_cast<std::ptrdiff_t>(n))));
    s.rows += n;
    for (auto& [other_id, other] : live_) {
      if (other.running && other.prefilling) (s.admitted > other.admitted ? other.overtaken : other.own_work) += n;
    }
    if (s.rows < s.tokens.size()) return;
    s.prefilling = false;
    s.tokens.push_back(next_token(row(s, s.rows - 1)));
    if (s.tokens.size() == s.wanted) end(id, "finished");
  }

  void check(const Plan& plan, int running_before, SequenceId oldest) {
    int tokens = 0;
    std::map<SequenceId, int> given;
    for (const auto* work : {&plan.decode, &plan.prefill}) {
      for (const auto& [id, n] : *work) {
        tokens += n;
        ASSERT_GT(n, 0);
        ASSERT_TRUE(given.emplace(id, n).second) << "twice in one step";
      }
    }
    ASSERT_LE(tokens, limits_.step_tokens);
    ASSERT_LE(scheduler_.running(), limits_.max_parallel);
    const auto running = std::count_if(live_.begin(), live_.end(), [](const auto& s) { return s.second.running; });
    ASSERT_EQ(running, scheduler_.running());
    ASSERT_EQ(std::ssize(live_) - running, scheduler_.waiting());
    ASSERT_FALSE(running_before > 0 && plan.empty()) << "stuck";
    const bool idle = running == 0 && plan.ended.empty() && plan.preempted.empty();
    ASSERT_FALSE(idle && !live_.empty()) << "nobody may start";
    const bool must_get_on = live_.contains(oldest) && plan.preempted.empty() && plan.ended.empty();
    ASSERT_TRUE(!must_get_on || given.contains(oldest));
    steps_without_work_ = given.empty() && running_before > 0 ? steps_without_work_ + 1 : 0;
    ASSERT_LE(steps_without_work_, limits_.max_parallel + 1);

    // No waiting request is overtaken within its name space: ids go by arrival.
    std::set<std::string> waiting;
    for (const auto& [id, s] : live_) {
      ASSERT_FALSE(s.running && waiting.contains(s.name_space)) << id << " passed an earlier one";
      if (!s.running) waiting.insert(s.name_space);
    }
    // A prompt is overtaken by no more than what it and its elders did meanwhile, and half a step for each of them.
    for (const auto& [id, s] : live_) {
      if (s.running && s.prefilling && totals_.preempted == 0) {
        ASSERT_LE(s.overtaken, s.own_work + static_cast<std::size_t>(limits_.step_tokens * limits_.max_parallel)) << id;
      }
    }
  }

  SchedulerLimits limits_;
  std::size_t block_tokens_;
  std::mt19937 random_;
  Scheduler scheduler_;
  BlockPool pool_;
  PrefixCache cache_;
  std::vector<Row> rows_;
  std::map<SequenceId, Sequence> live_;
  SequenceId next_id_ = 1;
  std::uint64_t admissions_ = 0;
  Scheduler::Time now_;
  int steps_without_work_ = 0;
  Totals totals_;
};

void run(const SchedulerLimits& limits, const Load& load, unsigned seed, Totals& totals) {
  Simulation simulation(limits, seed);
  int left = load.requests;
  for (int step = 0; left > 0 || !simulation.done(); ++step) {
    ASSERT_LT(step, 200'000) << "does not end";
    const Scheduler::Time now{std::chrono::seconds(step)};
    while (left > 0 && static_cast<int>(simulation.below(10)) < load.arrivals_in_ten_steps) {
      const bool hurry = simulation.below(10) == 0;
      const auto deadline = hurry ? now + std::chrono::seconds(simulation.below(100)) : Scheduler::Time::max();
      ASSERT_NO_FATAL_FAILURE(simulation.submit(deadline, load));
      --left;
      if (simulation.below(3) == 0) break;
    }
    if (load.cancels && simulation.below(12) == 0) {
      ASSERT_NO_FATAL_FAILURE(simulation.cancel_one());
    }
    ASSERT_NO_FATAL_FAILURE(simulation.step(now));
  }
  ASSERT_NO_FATAL_FAILURE(simulation.check_end());
  totals.preempted += simulation.totals().preempted;
  totals.reused += simulation.totals().reused;
  totals.ended_for_blocks += simulation.totals().ended_for_blocks;
  totals.expired += simulation.totals().expired;
  totals.cancelled += simulation.totals().cancelled;
  totals.finished += simulation.totals().finished;
}

TEST(SchedulerSimulation, EverybodyEndsWhateverTheLimits) {
  Totals totals;
  for (unsigned seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed + 1000);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    SchedulerLimits limits;
    limits.max_parallel = 1 + below(6);
    limits.max_queue = 1 + below(20);
    limits.step_tokens = limits.max_parallel + below(30);
    limits.blocks = 3 + below(below(2) == 0 ? 12 : 60);
    limits.block_tokens = 1 + below(8);
    limits.reserve_blocks = below(3);
    const Load load{40,
                    static_cast<std::size_t>(4 + below(80)),
                    static_cast<std::size_t>(2 + below(40)),
                    1 + below(10),
                    below(2) == 0,
                    1 + below(4)};
    ASSERT_NO_FATAL_FAILURE(run(limits, load, seed, totals));
  }
  // The seeds reach every way to end.
  EXPECT_GT(totals.preempted, 500);
  EXPECT_GT(totals.reused, 10'000);
  EXPECT_GT(totals.ended_for_blocks, 20);
  EXPECT_GT(totals.expired, 100);
  EXPECT_GT(totals.cancelled, 100);
  EXPECT_GT(totals.finished, 5'000);
}

TEST(SchedulerSimulation, EnoughBlocksMeanNoPreemption) {
  Totals totals;
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(run({8, 1000, 64, 400, 4, 1}, {200, 120, 60, 8, true}, seed, totals));
  }
  EXPECT_EQ(totals.preempted, 0);
  EXPECT_EQ(totals.ended_for_blocks, 0);
}

// Each sequence may need half the pool, so they push one another aside; work must not be thrown away again and again.
TEST(SchedulerSimulation, ACrowdedPoolDoesNotThrash) {
  Totals totals;
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(run({8, 1000, 64, 40, 4, 1}, {200, 20, 60, 10, false, 2}, seed, totals));
  }
  EXPECT_GT(totals.finished, 3'000);
  EXPECT_GT(totals.preempted, 0);
  EXPECT_LT(totals.preempted, totals.finished);
}

}  // namespace
}  // namespace glimt

#include "simulation/replica.h"

#include "base/error.h"
#include "engine/drafting.h"
#include "engine/shared_rows.h"

#include <algorithm>
#include <span>
#include <utility>

namespace glimt::simulation {

struct Replica::Sequence {
  std::vector<TokenId> tokens;  // the prompt and the whole answer
  int known;                    // of these: the prompt, and what was generated
  int computed = 0;             // rows
  int remembered = 0;           // rows that the prefix cache has from here
  int cached = -1;              // tokens of the prompt that were found when it was admitted first
  bool decodes = false;
  int drafts = 0;  // of the next step
  BlockRefs blocks = {};
  DraftPolicy policy = DraftPolicy({.max_depth = Drafting::kDeepestMtp});

  int wanted() const { return static_cast<int>(tokens.size()); }
  int room() const { return blocks.size() * kBlockTokens - computed; }
};

namespace {

int blocks_of(const ReplicaOptions& options, const StepSeconds& seconds) {
  const double blocks = options.cache_bytes / (static_cast<double>(seconds.row_bytes()) * Replica::kBlockTokens);
  return static_cast<int>(std::clamp(blocks, 1.0, 1e7));
}

Scheduler::Time time_of(double seconds) {
  return Scheduler::Time(std::chrono::duration_cast<Scheduler::Time::duration>(std::chrono::duration<double>(seconds)));
}

}  // namespace

Replica::Replica(const ReplicaOptions& options, const StepSeconds& seconds, std::uint64_t seed)
    : options_(options),
      seconds_(seconds),
      random_(seed),
      pool_(blocks_of(options, seconds)),
      prefixes_(pool_, kBlockTokens),
      scheduler_({.max_parallel = options.parallel,
                  .max_queue = options.queue,
                  .step_tokens = std::max(options.step_tokens, options.parallel),
                  .blocks = pool_.size(),
                  .block_tokens = kBlockTokens}) {}

Replica::~Replica() = default;

double Replica::most_bytes() const { return static_cast<double>(most_blocks_) * kBlockTokens * seconds_.row_bytes(); }

std::span<const TokenId> Replica::text(const Sequence& s) const {
  return std::span(s.tokens).first(static_cast<std::size_t>(s.known));
}

std::optional<Refusal> Replica::submit(SequenceId id, std::vector<TokenId> tokens, int prompt) {
  if (const auto refusal = scheduler_.submit(id, prompt)) return refusal;
  sequences_.emplace(id, Sequence{.tokens = std::move(tokens), .known = prompt});
  return std::nullopt;
}

RunningView Replica::running_view(const Sequence& s) const {
  return {.prompt_left = s.decodes ? 0 : s.known - s.computed,
          .decode_tokens = 1 + s.drafts,
          .room = s.room(),
          .depth = s.computed,
          .blocks = s.blocks.size()};
}

WaitingView Replica::waiting_view(const Sequence& s) const {
  const PrefixCache::Coverage found = prefixes_.peek("", text(s));
  return {.tokens = s.known, .cached_blocks = found.blocks, .busy_blocks = found.busy};
}

bool Replica::waits_for(const Sequence& waiting, const Sequence& running) const {
  if (running.decodes) return false;
  const auto cached = static_cast<std::size_t>(prefixes_.peek("", text(waiting)).blocks) * kBlockTokens;
  return pays_to_wait(text(waiting), cached, {text(running), static_cast<std::size_t>(running.computed)}, kBlockTokens);
}

std::optional<StepBudget> Replica::budget() const {
  if (options_.step_time == 0) return std::nullopt;
  return StepBudget{options_.step_time - times_.base(),
                    [this](int depth, int rows) { return times_.cost(depth, rows); },
                    [this](int depth, double part) { return times_.affordable(depth, part); }};
}

Plan Replica::plan(double now) {
  SchedulerView view;
  view.available_blocks = pool_.free_count() + prefixes_.evictable();
  view.now = time_of(now);
  view.running = [this](SequenceId id) { return running_view(sequences_.at(id)); };
  view.waiting = [this](SequenceId id) { return waiting_view(sequences_.at(id)); };
  view.waits_for = [this](SequenceId waiting, SequenceId running) {
    return waits_for(sequences_.at(waiting), sequences_.at(running));
  };
  view.budget = budget();
  return scheduler_.plan(view);
}

void Replica::reserve(Sequence& s, int rows) {
  while (s.blocks.size() * kBlockTokens < rows) {
    std::optional<int> block = pool_.allocate();
    if (!block && prefixes_.evict(1) == 1) block = pool_.allocate();
    if (!block) fail(ErrorKind::internal, "simulation", "the plan promised blocks that are not there");
    s.blocks.add(*block);
  }
}

void Replica::admit(Sequence& s) {
  PrefixMatch found = prefixes_.match("", text(s));
  s.blocks = BlockRefs(pool_, std::move(found.blocks));
  s.computed = s.blocks.size() * kBlockTokens;
  if (found.partial) {
    BlockRefs source(pool_);
    source.add(found.partial->block);
    reserve(s, s.computed + found.partial->tokens);
    s.computed += found.partial->tokens;
  }
  if (s.cached < 0) s.cached = s.computed;
}

// As CacheSpace does it: the rows stay, for whoever begins with the same tokens.
void Replica::leave(Sequence& s) {
  const int filled = (s.computed + kBlockTokens - 1) / kBlockTokens;
  prefixes_.insert("", text(s).first(static_cast<std::size_t>(s.computed)),
                   std::span(s.blocks.numbers()).first(static_cast<std::size_t>(filled)));
  s.blocks.clear();
  s.computed = s.remembered = s.drafts = 0;
  s.decodes = false;
}

void Replica::end(SequenceId id, std::optional<Refusal> refused) {
  Sequence& s = sequences_.at(id);
  if (!refused) {
    leave(s);
    scheduler_.finish(id);
  }
  sequences_.erase(id);
}

void Replica::carry_out(const Plan& plan) {
  for (const auto& [id, why] : plan.ended) {
    end(id, why);
    ended_.push_back({.id = id, .ended = true, .refused = why});
  }
  for (const SequenceId id : plan.preempted) leave(sequences_.at(id));
  preemptions_ += plan.preempted.size();
  for (const SequenceId id : plan.admitted) admit(sequences_.at(id));
  const auto add = [this](const Plan::Work& part, bool decodes) {
    Sequence& s = sequences_.at(part.id);
    const int count = decodes ? part.tokens : std::min(part.tokens, s.known - s.computed);
    reserve(s, s.computed + count);
    work_.push_back({part.id, count, decodes});
  };
  for (const Plan::Work& part : plan.decode) add(part, true);
  for (const Plan::Work& part : plan.prefill) add(part, false);
}

std::optional<double> Replica::start_step(double now) {
  Plan next;
  do {  // what was set back or ended has made room: the next plan uses it
    next = plan(now);
    carry_out(next);
  } while (work_.empty() && !next.empty());
  most_blocks_ = std::max(most_blocks_, pool_.size() - pool_.free_count());
  if (work_.empty()) return ended_.empty() ? std::nullopt : std::optional(0.0);
  step_seconds_ = seconds_of_step();
  return step_seconds_;
}

double Replica::seconds_of_step() const {
  StepLoad load;
  double layers_of_drafts = 0;  // the MTP layer is one more, and runs once for each guess deeper
  for (const Work& work : work_) {
    const Sequence& s = sequences_.at(work.id);
    if (work.decodes) {
      load.add_decode(s.computed, work.count);
      layers_of_drafts = std::max(layers_of_drafts, static_cast<double>(work.count - 1));
    } else {
      load.add_prefill(s.computed, work.count);
    }
  }
  return seconds_(load) * (1 + layers_of_drafts / seconds_.layers());
}

std::vector<Progress> Replica::finish_step() {
  std::vector<Progress> progress = std::exchange(ended_, {});
  learn();
  for (const Work& work : work_) progress.push_back(advance(work));
  if (!work_.empty()) draft();
  work_.clear();
  return progress;
}

// What the engine measures of a step.
void Replica::learn() {
  if (work_.empty()) return;
  StepWork all;
  bool only_decodes = true;
  for (const Work& work : work_) {
    all.add(sequences_.at(work.id).computed, work.count);
    only_decodes = only_decodes && work.decodes;
  }
  times_.record(all, step_seconds_);
  if (only_decodes) costs_.record(static_cast<int>(work_.size()), all.rows, step_seconds_);
}

int Replica::accepted(int drafts) {
  const auto limit = static_cast<std::uint64_t>(options_.acceptance * 9007199254740992.0);
  int count = 0;
  while (count < drafts && (random_() >> 11) < limit) ++count;
  return count;
}

Progress Replica::advance(const Work& work) {
  Sequence& s = sequences_.at(work.id);
  Progress progress{.id = work.id, .cached = s.cached};
  if (work.decodes) {
    const int drafts = work.count - 1;
    const int stood = accepted(drafts);
    s.policy.record(drafts, stood);
    progress.tokens = std::min(1 + stood, s.wanted() - s.known);
    s.computed += progress.tokens;
  } else {
    s.computed += work.count;
    s.decodes = s.computed == s.known;
    progress.tokens = s.decodes ? 1 : 0;
  }
  s.known += progress.tokens;
  s.drafts = 0;
  progress.ended = s.known == s.wanted();
  if (progress.ended) {
    end(work.id, std::nullopt);
  } else if (const int full = s.computed / kBlockTokens; full * kBlockTokens > s.remembered) {
    s.remembered = full * kBlockTokens;
    prefixes_.insert("", text(s).first(static_cast<std::size_t>(s.remembered)),
                     std::span(s.blocks.numbers()).first(static_cast<std::size_t>(full)));
  }
  return progress;
}

void Replica::draft() {
  if (options_.acceptance == 0) return;
  const auto decoding = static_cast<int>(
      std::count_if(sequences_.begin(), sequences_.end(), [](const auto& entry) { return entry.second.decodes; }));
  if (decoding == 0 || costs_.wants_plain_step(decoding)) return;
  const std::vector<double> relative = costs_.relative(decoding, Drafting::kDeepestMtp);
  for (auto& [id, s] : sequences_) {
    if (s.decodes) s.drafts = std::min(s.policy.next_depth(relative), s.wanted() - s.known - 1);
  }
}

}  // namespace glimt::simulation

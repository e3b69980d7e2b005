#include "engine/engine_loop.h"

#include "base/error.h"
#include "engine/refusal_error.h"
#include "engine/shared_rows.h"
#include "engine/text_rows.h"
#include "kernels/kernels.h"

#include <algorithm>

namespace glimt {
namespace {

using kernels::kBlockRows;

// The default is for a CPU; a GPU needs more rows for its experts.
int step_tokens(const CausalLm& model, const EngineOptions& options) {
  return options.step_tokens == EngineOptions{}.step_tokens ? model.prefill_rows() : options.step_tokens;
}

SchedulerLimits limits_of(const CausalLm& model, const EngineOptions& options, int blocks) {
  SchedulerLimits limits;
  limits.max_parallel = options.parallel;
  limits.max_queue = options.queue;
  limits.step_tokens = step_tokens(model, options);
  limits.blocks = blocks;
  limits.block_tokens = kBlockRows;
  return limits;
}

// A mask that takes longer than the model's step has this much time more, before the others go on without it.
constexpr std::chrono::milliseconds kMaskGrace{10};

StepWork work_of(const std::vector<SequenceStep>& steps) {
  StepWork work;
  for (const SequenceStep& s : steps) work.add(s.start, s.count);
  return work;
}

}  // namespace

EngineLoop::EngineLoop(std::unique_ptr<CausalLm> model, const EngineOptions& options, const StartThread& start)
    : model_(std::move(model)),
      options_(options),
      watch_(std::make_shared<StepWatch>(StepWatch::Limits{options.stall_limit, options.step_limit},
                                         model_->signs().progress)),
      plan_(cache_plan(*model_, options)),
      cache_(plan_.shape, plan_.blocks, plan_.keeps_mtp_rows),
      speculation_(*model_, cache_, options.speculation),
      scheduler_(limits_of(*model_, options, cache_.blocks())),
      mask_worker_(start),
      sampler_(start) {}

void EngineLoop::submit(std::unique_ptr<Sequence> sequence) noexcept {
  Sequence& s = *sequence;
  try {
    const auto place = sequences_.emplace(s.id(), std::move(sequence)).first;
    const int length = static_cast<int>(s.tokens().size());
    if (const std::optional<Refusal> refusal =
            scheduler_.submit(s.id(), length, s.request().deadline, s.request().name_space)) {
      s.fail(error_of(*refusal));
      sequences_.erase(place);
    }
  } catch (...) {
    s.fail(std::current_exception());
    forget(s);
  }
}

bool EngineLoop::step() {
  drop_cancelled();
  const Plan next = plan();
  std::vector<SequenceStep> steps = carry_out(next);
  stalled_ = false;
  // Sequences that were set back or ended have made room: the next plan uses it.
  if (steps.empty()) return !next.empty() || wait_for_masks() || fail_the_first_in_line();
  ++totals_.steps;
  const StepWork work = work_of(steps);
  watch_->expect(times_.expected(work));
  const auto start = EventQueue::Clock::now();
  const std::uint64_t generated_before = totals_.generated_tokens;
  compute(steps);
  const double seconds = std::chrono::duration<double>(EventQueue::Clock::now() - start).count();
  times_.record(work, seconds);
  measure(steps, seconds, totals_.generated_tokens - generated_before);
  return true;
}

void EngineLoop::measure(const std::vector<SequenceStep>& steps, double seconds, std::uint64_t generated) {
  if (!std::all_of(steps.begin(), steps.end(), [](const SequenceStep& s) { return s.decodes && !s.waits; })) return;
  int rows = 0;
  for (const SequenceStep& s : steps) rows += s.count;
  const auto sequences = static_cast<int>(steps.size());
  costs_.record(sequences, rows, seconds);
  totals_.decode_seconds += seconds;
  totals_.plain_decode_seconds +=
      static_cast<double>(generated) / sequences * costs_.without_drafts(sequences, rows, seconds);
}

// All that run wait for masks: so does the engine, for a moment.
bool EngineLoop::wait_for_masks() {
  const auto waits = [&](const auto& entry) { return entry.second->waits_for_masks(mask_worker_); };
  if (std::none_of(sequences_.begin(), sequences_.end(), waits)) return false;
  mask_worker_.wait_for_any(MaskWorker::Clock::now() + kMaskGrace);
  return true;
}

// Sequences wait, none runs, and none can be admitted: blocks are held by nothing that will give them back. The one
// that came first gets an error instead of waiting for ever.
bool EngineLoop::fail_the_first_in_line() {
  if (sequences_.empty() || scheduler_.running() > 0 || !held_.empty()) return false;
  stalled_ = true;
  ++totals_.stalls;
  fail(*sequences_.begin()->second,
       error_of(ErrorKind::internal, "engine: blocks of the cache are missing; the request cannot run"));
  return true;
}

void EngineLoop::drop_cancelled() {
  std::vector<Sequence*> gone, late, unread;
  const auto now = EventQueue::Clock::now();
  for (const auto& [id, sequence] : sequences_) {
    if (sequence->events().cancelled()) {
      gone.push_back(sequence.get());
    } else if (now >= sequence->request().deadline) {
      late.push_back(sequence.get());
    } else if (sequence->events().overflowed()) {
      unread.push_back(sequence.get());
    }
  }
  for (Sequence* sequence : gone) finish(*sequence, FinishReason::cancelled);
  for (Sequence* sequence : late) fail(*sequence, error_of(Refusal::expired));
  for (Sequence* sequence : unread) {
    fail(*sequence, error_of(ErrorKind::overloaded, "stream: too much of the answer was left unread"));
  }
}

Plan EngineLoop::plan() {
  SchedulerView view;
  view.available_blocks = cache_.available_blocks();
  view.now = EventQueue::Clock::now();
  view.running = [&](SequenceId id) {
    const Sequence& s = *sequences_.at(id);
    RunningView v{s.prompt_left(), 1 + static_cast<int>(s.drafts().size()), s.rows.room(kBlockRows), s.rows.computed,
                  static_cast<int>(s.rows.blocks.numbers().size())};
    if (v.prompt_left <= 1 && s.waits_for_masks(mask_worker_)) v.prompt_left = v.decode_tokens = 0;
    return v;
  };
  view.waiting = [&](SequenceId id) {
    const Sequence& s = *sequences_.at(id);
    const auto length = static_cast<int>(s.tokens().size());
    if (s.embeds()) return WaitingView{length, 0, false};
    const auto known = cache_.peek(s.request().name_space, s.tokens());
    return WaitingView{length, known.blocks, known.busy};
  };
  view.waits_for = [&](SequenceId waiting, SequenceId running) {
    return waits_for_rows(*sequences_.at(waiting), *sequences_.at(running), cache_);
  };
  view.budget = budget();
  return scheduler_.plan(view);
}

std::optional<StepBudget> EngineLoop::budget() const {
  if (options_.step_time.count() == 0) return std::nullopt;
  const double seconds = std::chrono::duration<double>(options_.step_time).count();
  return StepBudget{seconds - times_.base(), [this](int depth, int rows) { return times_.cost(depth, rows); },
                    [this](int depth, double part) { return times_.affordable(depth, part); }};
}

std::vector<SequenceStep> EngineLoop::carry_out(const Plan& plan) {
  for (const Plan::Ended& ended : plan.ended) fail(*sequences_.at(ended.id), error_of(ended.why));
  for (const SequenceId id : plan.preempted) {
    leave_rows(*sequences_.at(id));
    ++totals_.preemptions;
  }
  for (const SequenceId id : plan.admitted) admit(*sequences_.at(id));
  std::vector<SequenceStep> steps;
  for (const Plan::Work& part : plan.decode) add_step(part, false, steps);
  for (const Plan::Work& part : plan.prefill) add_step(part, true, steps);
  return steps;
}

void EngineLoop::admit(Sequence& s) {
  s.started();
  try {
    if (s.embeds()) {
      cache_.admit_anew(s.rows);
    } else {
      cache_.admit(s.rows, s.request().name_space, s.tokens());
    }
    const auto reused = static_cast<std::size_t>(s.rows.computed);
    totals_.reused_tokens += reused;
    if (s.stats().generated_tokens > 0) return;  // it was preempted
    s.stats().reused_tokens = reused;
    s.tell_progress(reused);  // it waits no longer, though its first step may take long
  } catch (...) {
    fail(s, std::current_exception());
  }
}

void EngineLoop::add_step(const Plan::Work& part, bool prefill, std::vector<SequenceStep>& steps) {
  const auto found = sequences_.find(part.id);
  if (found == sequences_.end()) return;  // it failed when it was admitted
  Sequence& s = *found->second;
  const int left = static_cast<int>(s.tokens().size()) - s.rows.computed;
  const int count = prefill ? std::min(part.tokens, left) : part.tokens;
  if (!cache_.reserve(s.rows, s.rows.computed + count)) {
    return fail(s, error_of(ErrorKind::internal, "engine: the plan promised blocks that are not there"));
  }
  s.limit_drafts(count - left);
  steps.push_back({.sequence = &s,
                   .count = count,
                   .start = s.rows.computed,
                   .decodes = s.prompt_left() == 0,
                   .samples = count >= left && !s.embeds(),
                   .embeds = s.embeds()});
}

void EngineLoop::compute(std::vector<SequenceStep>& steps) {
  try {
    forward(steps);
  } catch (...) {
    // The model itself broke: no row of this step can be trusted.
    for (SequenceStep& step : steps) fail(step, std::current_exception());
  }
}

void EngineLoop::forward(std::vector<SequenceStep>& steps) {
  StepBatch batch;
  for (SequenceStep& step : steps) {
    const Sequence& s = *step.sequence;
    const auto known = std::span(s.tokens()).subspan(static_cast<std::size_t>(step.start));
    std::vector<TokenId> ids(known.begin(), known.begin() + std::min<std::ptrdiff_t>(step.count, std::ssize(known)));
    ids.insert(ids.end(), s.drafts().begin(), s.drafts().begin() + (step.count - std::ssize(ids)));
    step.first = batch.add(ids, step.start, s.rows.blocks.numbers());
    if (step.samples) step.sequence->start_masks(mask_worker_);  // they are computed beside the model
  }
  const mx::array hidden = model_->forward(batch.ids_array(), cache_.pool(), batch.step());
  sample(steps, hidden);
  speculate(steps, hidden);
  close(steps);
}

// Chooses tokens for the sequences that have reached their last one. The others show by their last hidden state whether
// their rows are sound: broken ones must not get into the cache.
void EngineLoop::sample(std::vector<SequenceStep>& steps, const mx::array& hidden) {
  std::vector<int> rows, last;
  for (const SequenceStep& step : steps) {
    last.push_back(step.first + step.count - 1);
    if (!step.samples) continue;
    for (int row = step.decodes ? 0 : step.count - 1; row < step.count; ++row) rows.push_back(step.first + row);
  }
  std::optional<mx::array> logits, sound;
  std::vector<mx::array> wanted{hidden};
  if (!rows.empty()) wanted.push_back(logits.emplace(mx::contiguous(model_->unembed(take_rows(hidden, rows)))));
  if (std::any_of(steps.begin(), steps.end(), [](const SequenceStep& s) { return !s.samples; })) {
    wanted.push_back(sound.emplace(mx::all(mx::isfinite(take_rows(hidden, last)), -1)));
  }
  const TextRows texts(steps, hidden);
  if (texts.array()) wanted.push_back(*texts.array());
  kernels::evaluate(wanted);
  totals_.kernel_seconds = model_->device().queue().seconds();
  take_masks(steps);
  const auto all = logits ? std::span(logits->data<float>(), logits->size()) : std::span<float>();
  std::vector<Choice> choices = sampler_.choose(steps, all, static_cast<std::size_t>(model_->config().vocab_size));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    SequenceStep& step = steps[i];
    if (step.gone) continue;
    const auto is_own = [i](const Choice& choice) { return choice.step == i; };
    const auto begin = std::find_if(choices.begin(), choices.end(), is_own);
    try {
      if (!step.samples && !sound->data<bool>()[i]) {
        glimt::fail(ErrorKind::internal, "model", "hidden states are NaN or infinite");
      }
      if (step.embeds) texts.pool(step);
      take_tokens(step, std::span(begin, std::find_if_not(begin, choices.end(), is_own)));
    } catch (...) {
      fail(step, std::current_exception());
    }
  }
  publish_reads();
}

// All have the same time: the grace is the step's, not each one's.
void EngineLoop::take_masks(std::vector<SequenceStep>& steps) {
  const auto deadline = MaskWorker::Clock::now() + kMaskGrace;
  for (SequenceStep& step : steps) {
    if (!step.samples) continue;
    try {
      step.waits = !step.sequence->take_masks(mask_worker_, deadline, options_.mask_time);
    } catch (...) {
      fail(step, std::current_exception());
    }
  }
}

// Takes tokens as long as the drafts are what the model chooses itself: each is chosen from its own logits with its own
// random number, so the text is that without drafts.
void EngineLoop::take_tokens(SequenceStep& step, std::span<Choice> choices) {
  Sequence& s = *step.sequence;
  if (!step.decodes) {
    // Without its masks it does the last position again, in a step in which they are there.
    const int count = step.waits ? step.count - 1 : step.count;
    s.rows.computed += count;
    totals_.prompt_tokens += static_cast<std::uint64_t>(count);
  }
  if (s.stats().generated_tokens == 0) {
    const bool done = step.samples && !step.waits;
    s.tell_progress(done ? s.request().prompt.size() : static_cast<std::size_t>(s.rows.computed));
  }
  if (step.embeds && (step.ended = s.prompt_left() == 0)) s.take_embedding();
  if (step.waits || step.embeds) return;
  const std::vector<TokenId> drafts(s.drafts().begin(), s.drafts().end());
  s.clear_drafts();
  std::size_t accepted = 0;
  for (std::size_t i = 0; step.samples && !step.ended; ++i) {
    if (step.decodes) ++s.rows.computed;
    ++totals_.generated_tokens;
    if (choices[i].error) std::rethrow_exception(choices[i].error);
    const std::optional<TokenId> draft = i < drafts.size() ? std::optional(drafts[i]) : std::nullopt;
    step.ended = !s.take_token(std::move(choices[i].sampled), i, draft);
    if (s.last_chosen() != draft) break;
    ++accepted;
  }
  s.stats().drafted += drafts.size();
  s.stats().accepted += accepted;
  s.drafting().record(static_cast<int>(drafts.size()), static_cast<int>(accepted));
  totals_.drafted += drafts.size();
  totals_.accepted += accepted;
}

// Drafting that fails costs no request its answer.
void EngineLoop::speculate(std::vector<SequenceStep>& steps, const mx::array& hidden) {
  try {
    speculation_.plan(steps, costs_);
    speculation_.draft(steps, hidden);
  } catch (...) {
    for (const SequenceStep& step : steps) {
      if (step.goes_on()) step.sequence->clear_drafts();
    }
  }
}

void EngineLoop::close(std::vector<SequenceStep>& steps) {
  for (SequenceStep& step : steps) {
    if (step.gone) continue;
    Sequence& s = *step.sequence;
    if (step.ended) {
      step.gone = true;
      finish(s, s.reason());
    } else if (!step.embeds) {
      cache_.remember(s.rows, s.request().name_space, s.tokens());
    }
  }
}

void EngineLoop::leave_rows(Sequence& s) noexcept {
  if (s.embeds()) {
    s.pool().clear();
    return cache_.drop(s.rows);
  }
  s.clear_drafts();
  speculation_.forget(s.id());
  cache_.leave(s.rows, s.request().name_space, s.tokens());
}

void EngineLoop::finish(Sequence& s, FinishReason reason) noexcept {
  leave_rows(s);
  s.finish(reason);
  forget(s);
}

// Remembers nothing of it: its rows may be broken.
void EngineLoop::fail(Sequence& s, std::exception_ptr error) noexcept {
  cache_.drop(s.rows);
  s.fail(std::move(error));
  forget(s);
}

void EngineLoop::fail(SequenceStep& step, std::exception_ptr error) noexcept {
  if (step.gone) return;
  step.gone = true;
  fail(*step.sequence, std::move(error));
}

void EngineLoop::forget(Sequence& s) noexcept {
  const SequenceId id = s.id();
  speculation_.forget(id);
  scheduler_.finish(id);
  sequences_.erase(id);
}

void EngineLoop::cancel_all() noexcept {
  while (!sequences_.empty()) {
    sequences_.begin()->second->events().mark_cancelled(CancelReason::shutdown);
    finish(*sequences_.begin()->second, FinishReason::cancelled);
  }
}

void EngineLoop::fail_all(const std::exception_ptr& error) noexcept {
  while (!sequences_.empty()) fail(*sequences_.begin()->second, error);
}

EngineMetrics EngineLoop::metrics() const {
  EngineMetrics m = totals_;
  m.running = scheduler_.running();
  m.waiting = scheduler_.waiting();
  m.block_bytes = cache_.shape().block_bytes();
  m.blocks = cache_.blocks();
  m.free_blocks = cache_.free_blocks();
  m.cached_blocks = cache_.cached_blocks();
  m.evictable_blocks = cache_.evictable_blocks();
  m.evicted_blocks = cache_.evicted_blocks();
  return m;
}

}  // namespace glimt

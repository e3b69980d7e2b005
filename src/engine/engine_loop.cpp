#include "engine/engine_loop.h"

#include "base/error.h"
#include "kernels/kernels.h"

#include <algorithm>
#include <future>

namespace glimt {
namespace {

using kernels::blocks_for;
using kernels::kBlockRows;

mx::array as_ids(const std::vector<TokenId>& tokens) {
  return mx::array(tokens.data(), {static_cast<int>(tokens.size())}, mx::int32);
}

mx::array take_rows(const mx::array& x, const std::vector<int>& rows) {
  if (static_cast<int>(rows.size()) == x.shape(0)) return x;
  return mx::take(x, mx::array(rows.begin(), {static_cast<int>(rows.size())}, mx::int32), 0);
}

// For arrays that were read here and are dropped now: MLX may give their memory to another engine's thread, an order that
// a sanitizer does not see either. The kernels over there read what is published here.
void publish_reads() { kernels::add_kernel_time({}); }

PoolShape pool_shape(const CausalLm& model, const EngineOptions& options) {
  PoolShape shape = model.cache_shape();
  if (options.cache_type) shape.type = *options.cache_type;
  return shape;
}

std::size_t checked_context(const CausalLm& model, const EngineOptions& options) {
  const auto longest = static_cast<std::size_t>(model.max_context_length());
  if (options.context > longest) {
    fail(ErrorKind::invalid_request, "context", "{} tokens asked for, the model allows {}", options.context, longest);
  }
  return options.context > 0 ? options.context : longest;
}

// As many blocks as the budget holds, and no more than all sequences could ever fill.
int block_count(const PoolShape& shape, const EngineOptions& options, std::size_t context) {
  const std::size_t affordable = options.cache_memory / shape.block_bytes();
  if (affordable < 2) {
    fail(ErrorKind::invalid_request, "cache memory", "{} bytes are less than two blocks of {} bytes",
         options.cache_memory, shape.block_bytes());
  }
  const std::size_t usable = 2 * (context / kBlockRows + 2) * static_cast<std::size_t>(options.parallel);
  return static_cast<int>(std::min({affordable, usable, std::size_t{1} << 24}));
}

SchedulerLimits limits_of(const EngineOptions& options, int blocks) {
  SchedulerLimits limits;
  limits.max_parallel = options.parallel;
  limits.max_queue = options.queue;
  limits.step_tokens = options.step_tokens;
  limits.blocks = blocks;
  limits.block_tokens = kBlockRows;
  return limits;
}

std::exception_ptr refusal_error(Refusal why) {
  const auto error = [&]() -> Error {
    switch (why) {
      case Refusal::queue_full: return {ErrorKind::overloaded, "engine: too many requests wait; try again later"};
      case Refusal::too_large:
        return {ErrorKind::out_of_memory, "prompt: does not fit the cache memory; give the engine more of it"};
      case Refusal::expired: return {ErrorKind::timeout, "request: its deadline has passed"};
      case Refusal::out_of_blocks:
        return {ErrorKind::out_of_memory, "answer: has filled the cache memory; give the engine more of it"};
    }
    return {ErrorKind::internal, "engine: refused"};
  };
  return std::make_exception_ptr(error());
}

}  // namespace

EngineLoop::EngineLoop(std::unique_ptr<CausalLm> model, const EngineOptions& options)
    : model_(std::move(model)),
      options_(options),
      context_(checked_context(*model_, options)),
      pool_(pool_shape(*model_, options), block_count(pool_shape(*model_, options), options, context_)),
      blocks_(pool_.blocks()),
      prefixes_(blocks_, kBlockRows),
      scheduler_(limits_of(options, pool_.blocks())) {
  context_ = std::min(context_, static_cast<std::size_t>(pool_.blocks() - 1) * kBlockRows);
}

void EngineLoop::check(const GenerationRequest& request) const {
  if (request.prompt.empty()) glimt::fail(ErrorKind::invalid_request, "prompt", "is empty");
  if (request.prompt.size() >= context_) {
    glimt::fail(ErrorKind::invalid_request, "prompt", "is {} tokens long, the context holds {} for prompt and answer",
                request.prompt.size(), context_);
  }
  const int vocab = model_->config().vocab_size;
  for (const TokenId token : request.prompt) {
    if (token < 0 || token >= vocab)
      glimt::fail(ErrorKind::invalid_request, "prompt", "token {} is outside the vocabulary of {}", token, vocab);
  }
  if (request.grammar && request.grammar->environment().vocab_width() != static_cast<std::size_t>(vocab)) {
    glimt::fail(ErrorKind::invalid_request, "grammar", "is for a vocabulary of {}, the model's has {}",
                request.grammar->environment().vocab_width(), vocab);
  }
}

void EngineLoop::submit(SequenceId id, GenerationRequest request, const std::shared_ptr<Stream>& stream) {
  try {
    check(request);
    const int length = static_cast<int>(request.prompt.size());
    const auto deadline = request.deadline;
    auto sequence = std::make_unique<Sequence>(id, std::move(request), stream,
                                               static_cast<std::size_t>(model_->config().vocab_size), context_);
    if (const std::optional<Refusal> refusal = scheduler_.submit(id, length, deadline)) {
      stream->push(refusal_error(*refusal));
      return;
    }
    sequences_.emplace(id, std::move(sequence));
  } catch (...) {
    stream->push(std::current_exception());
  }
}

bool EngineLoop::step() {
  drop_cancelled();
  const Plan next = plan();
  std::vector<Work> work = carry_out(next);
  if (work.empty()) return !next.empty();  // who was set back or ended made room: the next plan uses it
  ++totals_.steps;
  const bool all_decode = std::all_of(work.begin(), work.end(), [](const Work& w) { return w.decodes; });
  int rows = 0;
  for (const Work& w : work) rows += w.count;
  const auto start = Stream::Clock::now();
  const std::uint64_t tokens_before = totals_.generated_tokens;
  compute(work);
  if (!all_decode) return true;
  const double seconds = std::chrono::duration<double>(Stream::Clock::now() - start).count();
  costs_.record(rows, seconds);
  const auto sequences = static_cast<int>(work.size());
  const auto plain_steps = static_cast<double>(totals_.generated_tokens - tokens_before) / sequences;
  totals_.decode_seconds += seconds;
  totals_.plain_decode_seconds += plain_steps * costs_.without_drafts(sequences, rows, seconds);
  return true;
}

void EngineLoop::drop_cancelled() {
  std::vector<Sequence*> gone, late;
  const auto now = Stream::Clock::now();
  for (const auto& [id, sequence] : sequences_) {
    if (sequence->stream().cancelled()) {
      gone.push_back(sequence.get());
    } else if (now >= sequence->request().deadline) {
      late.push_back(sequence.get());
    }
  }
  for (Sequence* sequence : gone) finish(*sequence, FinishReason::cancelled);
  for (Sequence* sequence : late) fail(*sequence, refusal_error(Refusal::expired));
}

Plan EngineLoop::plan() {
  SchedulerView view;
  view.available_blocks = blocks_.free_count() + prefixes_.evictable();
  view.now = Stream::Clock::now();
  view.running = [&](SequenceId id) {
    const Sequence& s = *sequences_.at(id);
    const int room = static_cast<int>(s.blocks.size()) * kBlockRows - s.computed;
    return RunningView{s.prompt_left(), 1 + static_cast<int>(s.drafts().size()), room};
  };
  view.waiting = [&](SequenceId id) {
    const Sequence& s = *sequences_.at(id);
    const auto known = prefixes_.peek(s.request().name_space, s.tokens());
    return WaitingView{static_cast<int>(s.tokens().size()), known.blocks, known.busy};
  };
  return scheduler_.plan(view);
}

std::vector<EngineLoop::Work> EngineLoop::carry_out(const Plan& plan) {
  for (const Plan::Ended& ended : plan.ended) fail(*sequences_.at(ended.id), refusal_error(ended.why));
  for (const SequenceId id : plan.preempted) {
    Sequence& sequence = *sequences_.at(id);
    release(sequence);
    ++totals_.preemptions;
  }
  for (const SequenceId id : plan.admitted) admit(*sequences_.at(id));
  std::vector<Work> work;
  const auto add = [&](const Plan::Work& part, bool prefill) {
    Sequence& sequence = *sequences_.at(part.id);
    const int left = static_cast<int>(sequence.tokens().size()) - sequence.computed;
    const int count = prefill ? std::min(part.tokens, left) : part.tokens;
    if (!reserve_rows(sequence, sequence.computed + count)) {
      glimt::fail(ErrorKind::internal, "engine", "the plan promised blocks that are not there");
    }
    work.push_back({&sequence, count, sequence.computed, 0, sequence.prompt_left() == 0,
                    sequence.computed + count >= static_cast<int>(sequence.tokens().size())});
  };
  for (const Plan::Work& part : plan.decode) add(part, false);
  for (const Plan::Work& part : plan.prefill) add(part, true);
  return work;
}

// Takes what the prefix cache knows of its tokens. The last of these is computed again: the MTP layer's row behind it
// needs its hidden state.
void EngineLoop::admit(Sequence& sequence) {
  sequence.started();
  PrefixMatch found = prefixes_.match(sequence.request().name_space, sequence.tokens());
  const int full = static_cast<int>(found.blocks.size()) * kBlockRows;
  sequence.blocks = std::move(found.blocks);
  sequence.computed = full;
  std::optional<int> source;  // the block whose first rows fit, too
  if (found.partial) {
    source = found.partial->block;
    sequence.computed += found.partial->tokens;
  } else if (speculates() && full > 0) {
    source = sequence.blocks.back();
    sequence.blocks.pop_back();
  }
  if (source) {
    const int rows = sequence.computed - static_cast<int>(sequence.blocks.size()) * kBlockRows;
    if (reserve_rows(sequence, sequence.computed)) {
      pool_.copy_rows(*source, sequence.blocks.back(), rows);
    } else {
      sequence.computed -= rows;
    }
    blocks_.release(*source);
    if (speculates()) sequence.computed = std::max(0, sequence.computed - 1);
  }
  sequence.mtp_rows = sequence.computed;
  auto& stats = sequence.stats();
  if (stats.generated_tokens == 0) stats.reused_tokens = static_cast<std::size_t>(sequence.computed);
  totals_.reused_tokens += static_cast<std::uint64_t>(sequence.computed);
}

// A free block, or the one of a prefix that nobody uses.
std::optional<int> EngineLoop::take_block() {
  const std::optional<int> block = blocks_.allocate();
  return block || prefixes_.evict(1) == 0 ? block : blocks_.allocate();
}

bool EngineLoop::reserve_rows(Sequence& sequence, int rows) {
  while (static_cast<int>(sequence.blocks.size()) < blocks_for(rows)) {
    const std::optional<int> block = take_block();
    if (!block) return false;
    sequence.blocks.push_back(*block);
  }
  return true;
}

void EngineLoop::compute(std::vector<Work>& work) {
  auto step = std::make_shared<kernels::Step>();
  std::vector<TokenId> ids;
  for (Work& w : work) {
    const Sequence& s = *w.sequence;
    w.first = static_cast<int>(ids.size());
    for (int i = 0; i < w.count; ++i) {
      const auto at = static_cast<std::size_t>(s.computed) + static_cast<std::size_t>(i);
      ids.push_back(at < s.tokens().size() ? s.tokens()[at] : s.drafts()[at - s.tokens().size()]);
    }
    step->push_back({s.computed, w.count, s.blocks});
  }
  try {
    const mx::array hidden = model_->forward(as_ids(ids), pool_, step);
    sample(work, hidden);
    plan_drafts(work);
    if (speculates()) draft(work, hidden);
    for (const Work& w : work) {
      if (!w.alive) continue;
      if (w.ended) {
        finish(*w.sequence, w.sequence->reason());
      } else {
        remember(*w.sequence, false);
      }
    }
  } catch (...) {
    // The model itself broke: nobody's rows can be trusted.
    for (const Work& w : work) {
      if (w.alive) fail(*w.sequence, std::current_exception());
    }
  }
}

void EngineLoop::sample(std::vector<Work>& work, const mx::array& hidden) {
  std::vector<int> rows;
  std::vector<std::future<void>> masks(work.size());
  for (std::size_t i = 0; i < work.size(); ++i) {
    Work& w = work[i];
    if (!w.samples) continue;
    for (int row = w.decodes ? 0 : w.count - 1; row < w.count; ++row) rows.push_back(w.first + row);
    if (!w.sequence->has_grammar()) continue;
    const std::size_t drafts = w.decodes ? static_cast<std::size_t>(w.count - 1) : 0;
    masks[i] = std::async(std::launch::async, [s = w.sequence, drafts] { s->compute_masks(drafts); });
  }
  std::optional<mx::array> logits;
  if (!rows.empty()) logits = mx::contiguous(model_->unembed(take_rows(hidden, rows)));
  try {
    totals_.kernel_seconds =
        kernels::evaluate(logits ? std::vector<mx::array>{hidden, *logits} : std::vector<mx::array>{hidden});
  } catch (...) {
    masks.clear();  // waits
    throw;
  }
  const auto vocab = static_cast<std::size_t>(model_->config().vocab_size);
  float* next = logits ? logits->data<float>() : nullptr;
  for (std::size_t i = 0; i < work.size(); ++i) {
    Work& w = work[i];
    const std::size_t count = !w.samples ? 0 : w.decodes ? static_cast<std::size_t>(w.count) : 1;
    const std::span<float> own(next, count * vocab);
    next += own.size();
    try {
      if (masks[i].valid()) masks[i].get();
      sample_one(w, own);
    } catch (...) {
      w.alive = false;
      fail(*w.sequence, std::current_exception());
    }
  }
  publish_reads();
}

// Takes tokens as long as the drafts are what the model chooses itself: each is chosen from its own logits with its own
// random number, so the text is that without drafts.
void EngineLoop::sample_one(Work& w, std::span<float> logits) {
  Sequence& s = *w.sequence;
  const auto vocab = static_cast<std::size_t>(model_->config().vocab_size);
  const std::vector<TokenId> drafts(s.drafts().begin(), s.drafts().end());
  s.set_drafts({});
  if (!w.decodes) {
    s.computed += w.count;
    totals_.prompt_tokens += static_cast<std::uint64_t>(w.count);
  }
  if (s.stats().generated_tokens == 0) {
    const std::size_t total = s.request().prompt.size();
    s.stream().push(PrefillProgress{w.samples ? total : static_cast<std::size_t>(s.computed), total});
  }
  const std::size_t tried = !w.decodes ? 0 : static_cast<std::size_t>(w.count) - 1;
  std::size_t accepted = 0;
  for (std::size_t i = 0; w.samples && !w.ended; ++i) {
    if (w.decodes) ++s.computed;
    ++totals_.generated_tokens;
    w.ended = !s.take_token(logits.subspan(i * vocab, vocab), i);
    if (i == tried || s.last_chosen() != drafts[i]) break;
    ++accepted;
  }
  s.stats().drafted += tried;
  s.stats().accepted += accepted;
  s.drafting().record(static_cast<int>(tried), static_cast<int>(accepted));
  totals_.drafted += tried;
  totals_.accepted += accepted;
}

// Who guesses how far in the next step: from its own text at once, from the MTP layer in draft().
void EngineLoop::plan_drafts(std::vector<Work>& work) {
  if (options_.speculation == Speculation::off) return;
  const auto goes_on = [](const Work& w) { return w.alive && !w.ended && w.sequence->prompt_left() == 0; };
  const auto sequences = static_cast<int>(std::count_if(work.begin(), work.end(), goes_on));
  if (sequences == 0) return;
  const std::vector<double> costs = costs_.relative(sequences, Drafting::kDeepestNgram);
  for (Work& w : work) {
    if (!goes_on(w)) continue;
    if (options_.speculation == Speculation::always) {
      w.depth = 1;
      continue;
    }
    Drafting::Wish wish = w.sequence->drafting().wish(w.sequence->tokens(), costs, model_->has_mtp());
    w.depth = wish.depth;
    w.sequence->set_drafts(std::move(wish.guesses));
  }
}

// The MTP layer's rows behind everything that was computed, and its guesses.
void EngineLoop::draft(const std::vector<Work>& work, const mx::array& hidden) {
  auto step = std::make_shared<kernels::Step>();
  std::vector<int> rows, last;
  std::vector<TokenId> ids;
  std::vector<Guesser> guessers;
  for (const Work& w : work) {
    if (!w.alive) continue;
    Sequence& s = *w.sequence;
    // Row p + 1 reads the hidden state at p, which is in this step for p = start … computed - 1, and the token at p + 1;
    // an end token is none. A gap ends its guesses for good.
    const int last_row = std::min(s.computed, static_cast<int>(s.tokens().size()) - 1), count = last_row - w.start;
    if (count <= 0 || s.mtp_rows != w.start || !reserve_rows(s, last_row + 1)) continue;
    for (int i = 0; i < count; ++i) {
      rows.push_back(w.first + i);
      ids.push_back(s.tokens()[static_cast<std::size_t>(w.start) + 1 + static_cast<std::size_t>(i)]);
    }
    step->push_back({w.start + 1, count, s.blocks, 1});
    s.mtp_rows = last_row;
    if (w.depth == 0) continue;
    last.push_back(static_cast<int>(rows.size()) - 1);
    guessers.push_back({&s, w.depth, {}});
  }
  if (rows.empty()) return;
  const mx::array states = model_->mtp_forward(take_rows(hidden, rows), as_ids(ids), pool_, step);
  kernels::evaluate({states});
  if (!guessers.empty()) guess(std::move(guessers), take_rows(states, last));
}

// states [guessers, hidden]: the MTP layer's, behind each one's last token. A guess deeper reads the layer's own state.
void EngineLoop::guess(std::vector<Guesser> guessers, mx::array states) {
  const auto vocab = static_cast<std::size_t>(model_->config().vocab_size);
  for (int depth = 1; !guessers.empty(); ++depth) {
    const mx::array logits = mx::contiguous(model_->mtp_unembed(states));
    kernels::evaluate({logits});
    auto step = std::make_shared<kernels::Step>();
    std::vector<Guesser> deeper;
    std::vector<int> rows;
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < guessers.size(); ++i) {
      Guesser& g = guessers[i];
      Sequence& s = *g.sequence;
      const std::optional<TokenId> guess = s.guess(std::span(logits.data<float>() + i * vocab, vocab), g.guesses);
      if (guess) g.guesses.push_back(*guess);
      const int position = s.computed + depth;
      if (!guess || depth == g.depth || !reserve_rows(s, position + 1)) {
        s.set_drafts(std::move(g.guesses));
        continue;
      }
      rows.push_back(static_cast<int>(i));
      ids.push_back(g.guesses.back());
      step->push_back({position, 1, s.blocks, 1});
      deeper.push_back(std::move(g));
    }
    publish_reads();
    guessers = std::move(deeper);
    if (guessers.empty()) return;
    states = model_->mtp_forward(take_rows(states, rows), as_ids(ids), pool_, step);
    kernels::evaluate({states});
  }
}

// Leaves its rows, those of the MTP layer with them, to later requests. Its last block only when it is done with it.
void EngineLoop::remember(Sequence& s, bool done) {
  std::size_t rows = static_cast<std::size_t>(speculates() ? std::min(s.computed, s.mtp_rows + 1) : s.computed);
  if (!done) {
    rows = rows / kBlockRows * kBlockRows;
    if (rows <= s.remembered) return;
    s.remembered = rows;
  }
  prefixes_.insert(s.request().name_space, std::span(s.tokens()).first(rows),
                   std::span(s.blocks).first(static_cast<std::size_t>(blocks_for(static_cast<int>(rows)))));
}

void EngineLoop::release(Sequence& s) {
  s.set_drafts({});
  remember(s, true);
  for (const int block : s.blocks) blocks_.release(block);
  s.blocks.clear();
  s.computed = 0;
  s.mtp_rows = 0;
  s.remembered = 0;
}

void EngineLoop::finish(Sequence& s, FinishReason reason) {
  release(s);
  s.finish(reason);
  forget(s);
}

void EngineLoop::fail(Sequence& s, std::exception_ptr error) {
  for (const int block : s.blocks) blocks_.release(block);  // and remembers nothing: its rows may be broken
  s.fail(std::move(error));
  forget(s);
}

void EngineLoop::forget(Sequence& s) {
  scheduler_.finish(s.id());
  sequences_.erase(s.id());
}

void EngineLoop::cancel_all() {
  while (!sequences_.empty()) finish(*sequences_.begin()->second, FinishReason::cancelled);
}

EngineMetrics EngineLoop::metrics() const {
  EngineMetrics m = totals_;
  m.running = scheduler_.running();
  m.waiting = scheduler_.waiting();
  m.block_bytes = pool_.shape().block_bytes();
  m.blocks = blocks_.size();
  m.free_blocks = blocks_.free_count();
  m.cached_blocks = prefixes_.held();
  m.evicted_blocks = prefixes_.stats().evicted_blocks;
  return m;
}

EngineLoop::Prefix EngineLoop::read_prefix(std::string_view name_space, std::span<const TokenId> tokens) {
  // match() leaves the last token to compute; one more than asked for gives all full blocks.
  std::vector<TokenId> longer(tokens.begin(), tokens.end());
  longer.push_back(0);
  PrefixMatch found = prefixes_.match(name_space, longer);
  if (found.partial) blocks_.release(found.partial->block);
  Prefix prefix;
  for (const int block : found.blocks) {
    prefix.blocks.emplace_back(pool_.shape().block_bytes());
    pool_.read_block(block, prefix.blocks.back());
    blocks_.release(block);
  }
  prefix.tokens.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(prefix.blocks.size() * kBlockRows));
  return prefix;
}

std::size_t EngineLoop::write_prefix(std::string_view name_space, const Prefix& prefix) {
  std::vector<int> blocks;
  for (const std::vector<std::byte>& bytes : prefix.blocks) {
    const std::optional<int> block = take_block();
    if (!block) break;  // a shorter prefix is a prefix
    pool_.write_block(*block, bytes);
    blocks.push_back(*block);
  }
  prefixes_.insert(name_space, std::span(prefix.tokens).first(blocks.size() * kBlockRows), blocks);
  for (const int block : blocks) blocks_.release(block);
  return blocks.size() * kBlockRows;
}

}  // namespace glimt

#include "engine/speculation.h"

#include "kernels/kernels.h"

#include <algorithm>

namespace glimt {

void SpeculativeDecoding::plan(std::vector<SequenceStep>& steps, const StepCosts& costs) const {
  if (mode_ == Speculation::off) return;
  const auto decodes_next = [](const SequenceStep& s) {
    return s.goes_on() && !s.waits && s.sequence->prompt_left() == 0;
  };
  for (const SequenceStep& step : steps) {  // of a prompt that is being computed
    if (step.goes_on() && !step.embeds && !decodes_next(step)) step.sequence->drafting().read(step.sequence->tokens());
  }
  const auto sequences = static_cast<int>(std::count_if(steps.begin(), steps.end(), decodes_next));
  if (sequences == 0 || (mode_ == Speculation::adaptive && costs.wants_plain_step(sequences))) return;
  const std::vector<double> relative = costs.relative(sequences, Drafting::kDeepestNgram);
  for (SequenceStep& step : steps) {
    if (!decodes_next(step)) continue;
    if (mode_ == Speculation::always) {
      step.mtp_depth = 1;
      continue;
    }
    Sequence& sequence = *step.sequence;
    Drafting::Wish wish = sequence.drafting().wish(sequence.tokens(), relative, model_.has_mtp());
    step.mtp_depth = wish.depth;
    sequence.set_drafts(std::move(wish.guesses));
  }
}

// Row p + 1 reads the hidden state at p, which is in this step for p = start … computed - 1, and the token at p + 1; an
// end token is none. The row at `computed` may need a block that the sequence does not have yet: its hidden state is
// kept, and the sequence's next step, which brings the block, begins with it.
void SpeculativeDecoding::add_rows(const SequenceStep& step, const mx::array& hidden, MtpBatch& rows) {
  Sequence& s = *step.sequence;
  int from = step.start;  // the position whose hidden state is read first
  const auto kept = waiting_.extract(s.id());
  if (kept && s.rows.mtp_rows == from - 1) --from;
  int to = std::min(s.rows.computed, static_cast<int>(s.tokens().size()) - 1);
  if (s.rows.mtp_rows != from || to <= from) return;  // nothing new, or a gap, behind which the layer cannot go on
  const bool fits = cache_.reserve(s.rows, to + 1);
  if (!fits) {
    --to;
    const int row = step.first + to - step.start;
    waiting_.emplace(s.id(), mx::contiguous(mx::slice(hidden, {row, 0}, {row + 1, hidden.shape(1)})));
    if (to == from) return;
  }
  if (from < step.start) {
    rows.hidden.push_back(hidden.shape(0) + static_cast<int>(rows.held.size()));
    rows.held.push_back(kept.mapped());
  }
  for (int p = step.start; p < to; ++p) rows.hidden.push_back(step.first + p - step.start);
  const auto tokens =
      std::span(s.tokens()).subspan(static_cast<std::size_t>(from) + 1, static_cast<std::size_t>(to - from));
  const int first = rows.batch.add(tokens, from + 1, s.rows.blocks.numbers(), 1);
  rows.reached.emplace_back(&s, to);
  if (step.mtp_depth == 0 || !fits) return;
  rows.last.push_back(first + to - from - 1);
  rows.drafters.push_back({&s, step.mtp_depth});
}

void SpeculativeDecoding::draft(const std::vector<SequenceStep>& steps, const mx::array& hidden) {
  if (!drafts_with_mtp()) return;
  MtpBatch rows;
  for (const SequenceStep& step : steps) {
    if (!step.gone && !step.embeds) add_rows(step, hidden, rows);
  }
  if (rows.batch.empty()) return;
  rows.held.insert(rows.held.begin(), hidden);
  const mx::array own = take_rows(rows.held.size() == 1 ? hidden : mx::concatenate(rows.held, 0), rows.hidden);
  const mx::array states = model_.mtp_forward(own, rows.batch.ids_array(), cache_.pool(), rows.batch.step());
  kernels::evaluate({states});
  for (const auto& [sequence, row] : rows.reached) sequence->rows.mtp_rows = row;
  if (!rows.drafters.empty()) guess(std::move(rows.drafters), take_rows(states, rows.last));
}

// states [drafters, hidden]: the MTP layer's, behind each one's last token. A guess deeper reads the layer's own state.
void SpeculativeDecoding::guess(std::vector<Drafter> drafters, mx::array states) {
  const auto vocab = static_cast<std::size_t>(model_.config().vocab_size);
  for (int depth = 1; !drafters.empty(); ++depth) {
    const mx::array logits = mx::contiguous(model_.mtp_unembed(states));
    kernels::evaluate({logits});
    StepBatch batch;
    std::vector<Drafter> deeper;
    std::vector<int> rows;
    for (std::size_t i = 0; i < drafters.size(); ++i) {
      Drafter& d = drafters[i];
      Sequence& s = *d.sequence;
      const std::optional<TokenId> guess =
          s.guess(std::span(logits.data<float>() + i * vocab, vocab), d.guesses, scratch_);
      if (guess) d.guesses.push_back(*guess);
      const int position = s.rows.computed + depth;
      if (!guess || depth == d.depth || !cache_.reserve(s.rows, position + 1)) {
        s.set_drafts(std::move(d.guesses));
        continue;
      }
      rows.push_back(static_cast<int>(i));
      batch.add(std::span(&d.guesses.back(), 1), position, s.rows.blocks.numbers(), 1);
      deeper.push_back(std::move(d));
    }
    publish_reads();
    drafters = std::move(deeper);
    if (drafters.empty()) return;
    states = model_.mtp_forward(take_rows(states, rows), batch.ids_array(), cache_.pool(), batch.step());
    kernels::evaluate({states});
  }
}

}  // namespace glimt

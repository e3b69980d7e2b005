#include "engine/step_sampler.h"

#include "engine/sequence.h"
#include "kernels/process.h"

#include <algorithm>

namespace glimt {
namespace {

// Fewer logits than this are looked at sooner than a thread wakes up.
constexpr std::size_t kLogitsForThreads = std::size_t{1} << 16;

int sampling_threads() { return std::clamp(kernels::process_threads(), 1, 8); }

std::vector<Choice> positions_of(const std::vector<SequenceStep>& steps, std::span<float> logits, std::size_t vocab) {
  std::vector<Choice> choices;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const SequenceStep& step = steps[i];
    if (!step.samples) continue;
    const std::span<float> own = logits.first((step.decodes ? static_cast<std::size_t>(step.count) : 1) * vocab);
    logits = logits.subspan(own.size());
    if (step.gone || step.waits) continue;
    for (std::size_t draft = 0; draft <= step.sequence->drafts().size(); ++draft) {
      choices.push_back({i, draft, own.subspan(draft * vocab, vocab)});
    }
  }
  return choices;
}

// The tokens of each sequence and its drafts; empty where there are no drafts.
std::vector<std::vector<TokenId>> texts_with_drafts(const std::vector<SequenceStep>& steps) {
  std::vector<std::vector<TokenId>> texts(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].gone || steps[i].sequence->drafts().empty()) continue;
    texts[i] = steps[i].sequence->tokens();
    const std::span<const TokenId> drafts = steps[i].sequence->drafts();
    texts[i].insert(texts[i].end(), drafts.begin(), drafts.end());
  }
  return texts;
}

}  // namespace

StepSampler::StepSampler(const StartThread& start)
    : workers_(sampling_threads(), start), scratch_(static_cast<std::size_t>(workers_.size())) {}

std::vector<Choice> StepSampler::choose(const std::vector<SequenceStep>& steps, std::span<float> logits,
                                        std::size_t vocab) {
  std::vector<Choice> choices = positions_of(steps, logits, vocab);
  const std::vector<std::vector<TokenId>> texts = texts_with_drafts(steps);
  const auto work = [&](std::size_t job, std::size_t worker) {
    Choice& c = choices[job];
    const Sequence& s = *steps[c.step].sequence;
    const std::span<const TokenId> text = c.draft == 0 ? std::span(s.tokens()) : std::span(texts[c.step]);
    c.sampled = s.choose(c.logits, c.draft, text.first(s.tokens().size() + c.draft), scratch_[worker]);
  };
  const bool alone = choices.size() * vocab < kLogitsForThreads;
  std::vector<std::exception_ptr> errors = workers_.run(choices.size(), work, alone);
  for (std::size_t job = 0; job < choices.size(); ++job) choices[job].error = std::move(errors[job]);
  return choices;
}

}  // namespace glimt

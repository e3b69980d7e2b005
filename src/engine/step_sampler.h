// Chooses the tokens of a step, on several threads.
#pragma once

#include "engine/step_batch.h"
#include "engine/workers.h"
#include "sampling/sampler.h"

#include <cstddef>
#include <exception>
#include <span>
#include <vector>

namespace glimt {

// What was chosen at one position of a step, or why nothing was.
struct Choice {
  std::size_t step = 0;   // index of the sequence's part
  std::size_t draft = 0;  // behind so many drafts
  std::span<float> logits;
  Sampled sampled = {};
  std::exception_ptr error = {};
};

// Used by the engine's thread.
class StepSampler {
 public:
  explicit StepSampler(const StartThread& start = start_thread);

  // A choice for each position that has logits [positions, vocab], in the order of the steps: the last one of a prompt,
  // the next token and behind each draft of a sequence that decodes. Nothing for parts that are gone or wait for their
  // masks. Drafts are taken for right, so that all positions are independent. May change the logits.
  std::vector<Choice> choose(const std::vector<SequenceStep>& steps, std::span<float> logits, std::size_t vocab);

 private:
  Workers workers_;
  std::vector<SamplerScratch> scratch_;  // of each worker
};

}  // namespace glimt

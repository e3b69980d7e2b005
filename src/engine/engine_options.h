// What an engine is told when it starts. Threads, and the memory that MLX keeps, belong to the process: kernels/process.h.
#pragma once

#include "base/ranks.h"
#include "kernels/row_type.h"

#include <chrono>
#include <cstddef>
#include <optional>

namespace glimt {

enum class Speculation {
  off,
  adaptive,  // as deep as it pays, which may be not at all
  always,    // one guess of the MTP layer a step, to measure how often it is right
};

struct EngineOptions {
  bool exact = false;            // LoadOptions::exact
  bool expand_prompts = false;   // LoadOptions::expand_prompts
  std::size_t context = 0;       // most tokens of a prompt and its answer; 0: what the model allows
  std::size_t cache_memory = 0;  // bytes for rows; 0: half of the memory that is free beside the weights
  std::optional<kernels::RowType> cache_type = std::nullopt;  // unset: bf16, or f32 when exact
  int parallel = 8;                                           // sequences at once
  int queue = 256;                                            // requests that wait
  int step_tokens = 512;  // most tokens of a step: chunks of prompts; by default Device::prefill_rows()
  // Most time of a step while a sequence decodes, as far as it can be known; 0: no limit.
  std::chrono::milliseconds step_time{250};
  // Processor time for the masks of one request with a grammar; each token of its answer adds 2 ms.
  std::chrono::seconds mask_time{10};
  bool huge_pages = true;  // copy the weights into huge pages meanwhile, where there is room
  Speculation speculation = Speculation::adaptive;
  // What health() reports: a step that does not get on for so long; and, where it cannot be seen how far a step is (on a
  // GPU), one that takes longer, and ten times as long as such steps take, if that is known.
  std::chrono::milliseconds stall_limit{4'000};
  std::chrono::milliseconds step_limit{60'000};
  RankOptions ranks = {};  // where several processes compute the model together
};

}  // namespace glimt

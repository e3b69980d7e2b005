// The MLA cache of one layer: for every position the row [latent (kv_lora_rank) | k_pe (qk_rope_head_dim)], nothing
// else. Keys and values of all heads are computed from it (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
#pragma once

#include <mlx/mlx.h>

#include <cstddef>
#include <optional>

namespace glimt {

namespace mx = mlx::core;

// Contiguous, growing by kStep rows at a time. Used by the thread that builds the graph.
class LatentCache {
 public:
  LatentCache(int width, mx::Dtype dtype) : width_(width), dtype_(dtype) {}

  // Appends rows [B, L, width] and returns all rows so far [B, length(), width], of the cache's dtype, so that a
  // position reads the same whether it came with this call or an earlier one. B must not change while length() > 0.
  mx::array append(const mx::array& rows);

  // Forgets all rows from `length` on. REQUIRES 0 <= length <= length().
  void trim(int length);

  int length() const { return length_; }
  std::size_t nbytes() const { return rows_ ? rows_->nbytes() : 0; }

  // The storage, for mx::eval together with a step's result; empty before the first append.
  const std::optional<mx::array>& storage() const { return rows_; }

  static constexpr int kStep = 256;

 private:
  void reserve(int batch, int length);

  int width_;
  mx::Dtype dtype_;
  int length_ = 0;
  std::optional<mx::array> rows_;  // [B, capacity, width]
};

}  // namespace glimt

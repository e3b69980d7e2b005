// While weights are loaded.
#pragma once

#include "kernels/device.h"

#include <cstddef>
#include <optional>

namespace glimt {

// On a GPU the buffers that the host filled are freed, not kept: MLX would compute into them, slowly, later on.
class NoBufferCache {
 public:
  NoBufferCache() : limit_(kernels::host_memory() ? std::nullopt : std::optional(mlx::core::set_cache_limit(0))) {}
  ~NoBufferCache() {
    if (limit_) mlx::core::set_cache_limit(*limit_);
  }
  NoBufferCache(const NoBufferCache&) = delete;
  NoBufferCache& operator=(const NoBufferCache&) = delete;

 private:
  std::optional<std::size_t> limit_;
};

}  // namespace glimt

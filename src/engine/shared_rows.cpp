#include "engine/shared_rows.h"

#include <algorithm>

namespace glimt {

bool pays_to_wait(std::span<const TokenId> waiting, std::size_t cached, const RowsToCome& other, int block_rows) {
  const auto rows = static_cast<std::size_t>(block_rows);
  const std::size_t done = std::max(cached, other.computed);
  const auto pays = [&](std::size_t common) {
    return common > done && (common - done) * 4 >= waiting.size() - std::min(cached, waiting.size());
  };
  const std::size_t most = std::min(waiting.size(), other.tokens.size());
  if (!pays(most / rows * rows)) return false;
  const auto differ = std::mismatch(waiting.begin(), waiting.end(), other.tokens.begin(), other.tokens.end());
  return pays(static_cast<std::size_t>(differ.first - waiting.begin()) / rows * rows);
}

bool waits_for_rows(const Sequence& waiting, const Sequence& running, const CacheSpace& cache) {
  if (waiting.embeds() || running.embeds() || running.prompt_left() == 0) return false;
  const int blocks = cache.peek(waiting.request().name_space, waiting.tokens()).blocks;
  return pays_to_wait(waiting.tokens(), static_cast<std::size_t>(blocks) * kernels::kBlockRows,
                      {running.tokens(), static_cast<std::size_t>(running.rows.computed)}, kernels::kBlockRows);
}

}  // namespace glimt

#include "measure/text_windows.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {
namespace {

constexpr std::size_t kLeast = 2;  // a token to read, and one to predict

WindowBatch batch_of(std::span<const TokenId> tokens, std::size_t windows) {
  return {static_cast<int>(windows), static_cast<int>(tokens.size() / windows), {tokens.begin(), tokens.end()}};
}

}  // namespace

std::vector<WindowBatch> cut_windows(std::span<const TokenId> text, int context, int rows) {
  if (context < 2) fail(ErrorKind::invalid_request, "context", "must be at least 2 tokens, got {}", context);
  if (text.size() < kLeast) {
    fail(ErrorKind::invalid_request, "text", "must have at least 2 tokens, one to predict another; got {}",
         text.size());
  }
  const auto length = static_cast<std::size_t>(context);
  const std::size_t together = std::max<std::size_t>(1, static_cast<std::size_t>(std::max(rows, 0)) / length);
  std::vector<WindowBatch> batches;
  while (text.size() >= length) {
    const std::size_t windows = std::min(together, text.size() / length);
    batches.push_back(batch_of(text.first(windows * length), windows));
    text = text.subspan(windows * length);
  }
  if (text.size() >= kLeast) batches.push_back(batch_of(text, 1));
  return batches;
}

}  // namespace glimt

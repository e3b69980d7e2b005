#include "launch/line_prefix.h"

#include <fmt/format.h>

#include <utility>

namespace glimt::launch {
namespace {

constexpr std::size_t kLongestLine = 8192;

}  // namespace

LinePrefix::LinePrefix(int rank) : prefix_(fmt::format("[{}] ", rank)) {}

std::string LinePrefix::push(std::string_view bytes) {
  std::string lines;
  for (const char byte : bytes) {
    if (byte != '\n') line_ += byte;
    if (byte == '\n' || line_.size() >= kLongestLine) {
      lines += prefix_ + line_ + '\n';
      line_.clear();
    }
  }
  return lines;
}

std::string LinePrefix::flush() {
  if (line_.empty()) return {};
  return prefix_ + std::exchange(line_, {}) + '\n';
}

}  // namespace glimt::launch

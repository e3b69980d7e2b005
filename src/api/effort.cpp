#include "api/effort.h"

#include "api/fields.h"

#include <algorithm>
#include <iterator>

namespace glimt {
namespace {

struct Effort {
  std::string_view word;
  bool thinking;
  std::size_t budget;  // 0: no limit
};

constexpr Effort kEfforts[] = {
    {"none", false, 0},    {"minimal", true, 512}, {"low", true, 2048}, {"medium", true, 8192},
    {"high", true, 24576}, {"xhigh", true, 0},     {"max", true, 0},    {"ultra", true, 0},
};

}  // namespace

void apply_effort(std::string_view word, const std::string& path, ChatRequest& request) {
  const auto* found =
      std::find_if(std::begin(kEfforts), std::end(kEfforts), [&](const Effort& effort) { return effort.word == word; });
  if (found == std::end(kEfforts)) {
    refuse(path, fmt::format("must be one of none, minimal, low, medium, high, xhigh, max, ultra, got {}",
                             shown_json(json::value(word))));
  }
  request.thinking = found->thinking;
  request.thinking_budget = found->budget;
}

}  // namespace glimt

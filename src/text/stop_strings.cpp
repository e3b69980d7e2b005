#include "text/stop_strings.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

std::vector<std::size_t> borders(const std::string& text) {
  std::vector<std::size_t> border(text.size(), 0);
  for (std::size_t i = 1, length = 0; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = border[length - 1];
    if (text[i] == text[length]) ++length;
    border[i] = length;
  }
  return border;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> strings) {
  for (std::string& text : strings) {
    if (text.empty()) fail(ErrorKind::invalid_request, "stop", "a stop string is empty");
    std::vector<std::size_t> fallback = borders(text);
    patterns_.push_back({std::move(text), std::move(fallback)});
  }
  std::stable_sort(patterns_.begin(), patterns_.end(),
                   [](const Pattern& a, const Pattern& b) { return a.text.size() > b.text.size(); });
}

void StopStrings::advance(Pattern& pattern, char byte) {
  std::size_t& length = pattern.length;
  while (length > 0 && pattern.text[length] != byte) length = pattern.fallback[length - 1];
  if (pattern.text[length] == byte) ++length;
}

std::string StopStrings::push(std::string_view text) {
  if (stopped()) return {};
  for (const char byte : text) {
    held_ += byte;
    for (Pattern& pattern : patterns_) advance(pattern, byte);
    const auto complete =
        std::find_if(patterns_.begin(), patterns_.end(), [](const Pattern& p) { return p.length == p.text.size(); });
    if (complete == patterns_.end()) continue;
    matched_ = static_cast<std::size_t>(complete - patterns_.begin());
    held_.resize(held_.size() - complete->text.size());
    return std::exchange(held_, {});
  }
  std::size_t keep = 0;
  for (const Pattern& pattern : patterns_) keep = std::max(keep, pattern.length);
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopStrings::finish() {
  if (stopped()) return {};
  for (Pattern& pattern : patterns_) pattern.length = 0;
  return std::exchange(held_, {});
}

}  // namespace glimt

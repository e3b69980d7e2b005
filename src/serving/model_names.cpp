#include "serving/model_names.h"

#include "base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace glimt {
namespace {

constexpr std::string_view kLatest = ":latest";
constexpr std::size_t kShownBytes = 200;  // of a name in an error

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

template <typename Matches>
const StoredModel* find_if(const std::vector<StoredModel>& models, Matches matches) {
  const auto found = std::find_if(models.begin(), models.end(), matches);
  return found == models.end() ? nullptr : &*found;
}

std::filesystem::path tidy(const std::filesystem::path& folder) {
  const std::filesystem::path normal = folder.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();  // "/models/demo/" is "/models/demo"
}

const StoredModel* find_own(const std::vector<StoredModel>& models, std::string_view asked) {
  const std::string_view name = without_latest(asked);
  if (const auto* exact = find_if(models, [&](const StoredModel& m) { return m.name == asked; })) return exact;
  if (const auto* untagged = find_if(models, [&](const StoredModel& m) { return without_latest(m.name) == name; })) {
    return untagged;
  }
  if (const auto* folder = find_if(models, [&](const StoredModel& m) { return tidy(m.folder) == tidy(asked); })) {
    return folder;
  }
  const std::string low = lowered(name);
  return find_if(models, [&](const StoredModel& m) { return lowered(without_latest(m.name)) == low; });
}

[[noreturn]] void report_unknown(const std::vector<StoredModel>& models, std::string_view asked) {
  std::vector<std::string_view> known;
  known.reserve(models.size());
  for (const StoredModel& model : models) known.push_back(model.name);
  const std::string shown =
      asked.size() > kShownBytes ? fmt::format("a name of {} bytes", asked.size()) : fmt::format("'{}'", asked);
  fail(ErrorKind::not_found, "model", "{} is not here; there {}", shown,
       known.empty() ? "are none" : fmt::format("is: {}", fmt::join(known, ", ")));
}

}  // namespace

std::string_view without_latest(std::string_view name) {
  return name.ends_with(kLatest) ? name.substr(0, name.size() - kLatest.size()) : name;
}

bool is_vendors_name(std::string_view name) {
  constexpr std::array kBeginnings{"claude-", "anthropic/", "gpt-", "chatgpt-", "codex-", "o1", "o2", "o3", "o4"};
  constexpr std::array kWords{"haiku", "sonnet", "opus"};
  const std::string low = lowered(without_latest(name));
  return std::any_of(kBeginnings.begin(), kBeginnings.end(), [&](const char* b) { return low.starts_with(b); }) ||
         std::any_of(kWords.begin(), kWords.end(), [&](const char* word) { return low == word; });
}

StoredModel find_model(const ModelNames& names, std::string_view asked) {
  if (const StoredModel* own = find_own(names.models, asked); own != nullptr && !asked.empty()) return *own;
  if (asked.empty() && !names.default_model) {
    fail(ErrorKind::invalid_request, "model", "is missing, and there is no default model");
  }
  const bool alias = asked.empty() || (!names.strict && is_vendors_name(asked));
  if (!alias || !names.default_model) report_unknown(names.models, asked);
  return *names.default_model;
}

}  // namespace glimt

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "hub/environment.h"
#include "hub/foreign_stores.h"

#include <algorithm>
#include <set>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--";
constexpr std::string_view kSeparator = "--";
constexpr std::size_t kMaxRefBytes = 256;
constexpr std::size_t kCommitDigits = 40;

std::string repository_folder(const ModelName& name) {
  std::string folder(kPrefix);
  if (!name.owner.empty()) folder += name.owner + std::string(kSeparator);
  return folder + name.name;
}

bool is_commit(std::string_view text) {
  return text.size() == kCommitDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The commit that a branch or tag points to; the revision itself if it is one.
std::optional<std::string> commit_of(const fs::path& repository, const std::string& revision) {
  if (is_commit(revision)) return revision;
  std::error_code ignored;
  const fs::path ref = repository / "refs" / (revision.empty() ? "main" : revision);
  if (!fs::is_regular_file(ref, ignored)) return std::nullopt;
  const std::string content = read_file(ref, kMaxRefBytes);
  const std::string_view commit = trimmed(content);
  return is_commit(commit) ? std::optional<std::string>(commit) : std::nullopt;
}

// The files that model.safetensors.index.json names; empty without one.
std::set<std::string> indexed_files(const fs::path& snapshot) {
  std::set<std::string> files;
  const fs::path index = snapshot / "model.safetensors.index.json";
  std::error_code ignored;
  if (!fs::exists(index, ignored)) return files;
  const json::value value = parse_json_file(index, std::size_t{256} << 20);
  if (!value.is_object()) return files;
  for (const auto& [tensor, file] : JsonFields(value.get_object(), index.string()).object("weight_map")) {
    if (file.is_string()) files.emplace(file.get_string());
  }
  return files;
}

bool has_weights(const fs::path& snapshot) {
  std::error_code error;
  for (fs::directory_iterator it(snapshot, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->path().extension() == ".safetensors" && it->is_regular_file(ignored)) return true;
  }
  return false;
}

// What a snapshot lacks; empty if nothing. A link whose blob is gone counts as lacking.
std::string missing_in(const fs::path& snapshot) {
  std::error_code ignored;
  if (!fs::is_regular_file(snapshot / "config.json", ignored)) return "config.json";
  const std::set<std::string> files = indexed_files(snapshot);
  for (const std::string& file : files) {
    if (!fs::is_regular_file(snapshot / file, ignored)) return file;
  }
  return files.empty() && !has_weights(snapshot) ? "its weights" : "";
}

}  // namespace

std::optional<ForeignModel> find_in_huggingface_cache(const fs::path& place, const ModelName& name) {
  const fs::path repository = place / repository_folder(name);
  std::error_code ignored;
  if (!fs::is_directory(repository, ignored)) return std::nullopt;
  try {
    const std::optional<std::string> commit = commit_of(repository, name.revision());
    const fs::path snapshot = repository / "snapshots" / commit.value_or("-");
    if (!commit || !fs::is_directory(snapshot, ignored)) return std::nullopt;
    const std::string missing = missing_in(snapshot);
    if (missing.empty()) return ForeignModel{.folder = snapshot, .problem = ""};
    return ForeignModel{.folder = {}, .problem = fmt::format("is in {}, but lacks {}", place.string(), missing)};
  } catch (const Error& error) {
    return ForeignModel{.folder = {}, .problem = fmt::format("cannot be used: {}", error.what())};
  }
}

std::vector<StoredModel> list_huggingface_cache(const fs::path& place) {
  std::vector<StoredModel> models;
  std::error_code error;
  for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
    const std::optional<ModelName> name = model_name_of_cache_folder(it->path().filename().string());
    const std::optional<ForeignModel> found = name ? find_in_huggingface_cache(place, *name) : std::nullopt;
    if (found && !found->folder.empty() && is_known_family(found->folder)) {
      models.push_back({name->text(), found->folder});
    }
  }
  return models;
}

}  // namespace glimt

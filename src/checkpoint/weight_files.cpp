#include "checkpoint/weight_files.h"

#include "base/error.h"
#include "base/json.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxIndexBytes = std::size_t{256} << 20;
constexpr std::size_t kShown = 5;

using Names = std::vector<std::string>;

std::string joined(const Names& names) {
  const std::size_t shown = std::min(names.size(), kShown);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     shown < names.size() ? ", …" : "");
}

Names names_in(const fs::path& folder) {
  std::error_code error;
  Names names;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) fail(ErrorKind::not_found, folder.string(), "cannot read the folder: {}", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// x-00002-of-00003.safetensors
struct Shard {
  std::string prefix;
  int number;
  int total;
};

std::optional<Shard> shard_of(std::string_view name) {
  constexpr std::size_t kDigits = 5;
  constexpr std::string_view kOf = "-of-";
  constexpr std::size_t kTail = 1 + kDigits + kOf.size() + kDigits + kExtension.size();  // from the first '-'
  if (name.size() < kTail || !name.ends_with(kExtension)) return std::nullopt;
  const std::string_view tail = name.substr(name.size() - kTail);
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf) return std::nullopt;
  const auto number_at = [&](std::size_t at) {
    int value = 0;
    const auto [end, error] = std::from_chars(tail.data() + at, tail.data() + at + kDigits, value);
    return error == std::errc() && end == tail.data() + at + kDigits ? value : -1;
  };
  const int number = number_at(1), total = number_at(1 + kDigits + kOf.size());
  if (number < 1 || total < number) return std::nullopt;
  return Shard{std::string(name.substr(0, name.size() - kTail)), number, total};
}

// The numbered shards that must stand beside those in `names` and do not.
Names missing_shards(const Names& names) {
  std::set<std::pair<std::string, int>> sets;
  for (const std::string& name : names) {
    if (const auto shard = shard_of(name)) sets.emplace(shard->prefix, shard->total);
  }
  Names missing;
  for (const auto& [prefix, total] : sets) {
    for (int i = 1; i <= total; ++i) {
      std::string name = fmt::format("{}-{:05}-of-{:05}{}", prefix, i, total, kExtension);
      if (!contains(names, name)) missing.push_back(std::move(name));
    }
  }
  return missing;
}

std::map<std::string, std::string> read_index(const fs::path& path) {
  const json::value value = parse_json_file(path, kMaxIndexBytes);
  if (!value.is_object()) fail(ErrorKind::bad_file, path.string(), "must hold a JSON object");
  std::map<std::string, std::string> index;
  for (const auto& [name, file] : JsonFields(value.get_object(), path.string()).object("weight_map")) {
    const std::string shard(file.is_string() ? std::string(file.get_string()) : "");
    if (shard.empty() || shard != fs::path(shard).filename().string() || shard == "." || shard == "..") {
      fail(ErrorKind::bad_file, path.string(), "tensor '{}' must be in a file of this folder, got {}",
           std::string(name), dump_json(file));
    }
    index.emplace(name, shard);
  }
  if (index.empty()) fail(ErrorKind::bad_file, path.string(), "field 'weight_map' must name tensors, it is empty");
  return index;
}

struct Foreign {
  std::string_view extension;
  std::string_view what;
};
constexpr std::array<Foreign, 8> kForeign = {{{".gguf", "GGUF, llama.cpp's format"},
                                              {".bin", "PyTorch's format"},
                                              {".pt", "PyTorch's format"},
                                              {".pth", "PyTorch's format"},
                                              {".ckpt", "PyTorch's format"},
                                              {".npz", "an old format of MLX"},
                                              {".onnx", "ONNX"},
                                              {".incomplete", "an unfinished download"}}};

[[noreturn]] void fail_without_weights(const fs::path& folder, const Names& names, const Names& adapters) {
  std::string instead = adapters.empty() ? "" : "; " + joined(adapters) + " is an adapter, not a model";
  for (const std::string& name : names) {
    for (const Foreign& foreign : kForeign) {
      if (instead.empty() && name.ends_with(foreign.extension)) {
        instead = fmt::format("; {} is {}: get the model as .safetensors", name, foreign.what);
      }
    }
  }
  fail(ErrorKind::not_found, folder.string(), "holds no .safetensors file{}", instead);
}

// The elements of `all` for which `wanted` holds.
template <typename Predicate>
Names filtered(const Names& all, Predicate wanted) {
  Names found;
  std::copy_if(all.begin(), all.end(), std::back_inserter(found), wanted);
  return found;
}

bool is_adapter(const std::string& name) { return name.starts_with("adapter"); }
bool is_named_model(const std::string& name) { return name.starts_with("model"); }

Names without_incomplete_sets(const Names& names) {
  std::set<std::pair<std::string, int>> incomplete;
  for (const std::string& name : missing_shards(names)) {
    const Shard shard = *shard_of(name);
    incomplete.emplace(shard.prefix, shard.total);
  }
  return filtered(names, [&](const std::string& name) {
    const auto shard = shard_of(name);
    return !shard || !incomplete.contains({shard->prefix, shard->total});
  });
}

[[noreturn]] void fail_missing(const fs::path& folder, const Names& missing, const std::string& wanted_by) {
  fail(ErrorKind::not_found, folder.string(), "{} of the files with weights are missing{}: {}; download them again",
       missing.size(), wanted_by, joined(missing));
}

// What counts by the names alone; `indexed` are files that a stale index names.
Names chosen_by_name(const fs::path& folder, const Names& names, const Names& tensor_files, const Names& indexed) {
  Names candidates = filtered(tensor_files, is_named_model);
  if (candidates.empty() && indexed.empty()) {
    candidates = filtered(tensor_files, [](const std::string& name) { return !is_adapter(name); });
    if (candidates.empty()) fail_without_weights(folder, names, tensor_files);
  }
  const Names complete =
      without_incomplete_sets(filtered(candidates, [&](const std::string& name) { return !contains(indexed, name); }));
  if (!complete.empty()) return complete;
  if (indexed.empty()) fail_missing(folder, missing_shards(candidates), "");
  fail_missing(folder, filtered(indexed, [&](const std::string& name) { return !contains(names, name); }),
               fmt::format(" that {} names (or it is stale: of other weights)", kIndex));
}

}  // namespace

WeightFiles find_weight_files(const fs::path& folder) {
  const Names names = names_in(folder);
  const Names tensor_files = filtered(names, [](const std::string& name) { return name.ends_with(kExtension); });
  WeightFiles result;
  if (contains(names, kIndex)) result.index = read_index(folder / kIndex);
  std::set<std::string> unique;
  for (const auto& [tensor, file] : result.index) unique.insert(file);
  const Names indexed(unique.begin(), unique.end());

  const bool complete =
      std::all_of(indexed.begin(), indexed.end(), [&](const std::string& name) { return contains(names, name); });
  const bool use_index = !indexed.empty() && complete;
  const Names chosen = use_index ? indexed : chosen_by_name(folder, names, tensor_files, indexed);
  if (!use_index) result.index.clear();
  for (const std::string& name : chosen) result.files.push_back(folder / name);
  for (const std::string& name : tensor_files) {
    if (!contains(chosen, name)) result.not_read.push_back(folder / name);
  }
  return result;
}

}  // namespace glimt

#include "hub/store.h"

#include "base/error.h"
#include "base/file_kind.h"
#include "base/machine.h"
#include "hub/environment.h"
#include "hub/foreign_stores.h"
#include "hub/manifest.h"
#include "hub/model_name.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

bool is_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

// A pulled model of which somebody has removed files is none.
bool is_whole_model(const fs::path& folder) {
  if (!is_model(folder)) return false;
  try {
    const std::optional<Manifest> manifest = read_manifest(folder);
    return !manifest || is_whole(folder, *manifest);
  } catch (const Error&) {
    return true;  // `glimt verify` says what is wrong with the manifest
  }
}

std::optional<fs::path> own_store() {
  if (const auto folder = from_environment("GLIMT_MODELS")) return *folder;
  if (const auto home = from_environment("GLIMT_HOME")) return fs::path(*home) / "models";
  if (const auto data = from_environment("XDG_DATA_HOME"); data && fs::path(*data).is_absolute())
    return fs::path(*data) / "glimt" / "models";
  if (const auto home = from_environment("HOME")) return fs::path(*home) / ".local" / "share" / "glimt" / "models";
  return std::nullopt;
}

std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!it->path().filename().string().starts_with('.') && it->is_directory(ignored)) found.push_back(it->path());
  }
  return found;
}

// The models of a folder of folders.
std::vector<StoredModel> list_folders(const fs::path& place) {
  std::vector<StoredModel> models;
  const auto add = [&](const std::string& owner, const fs::path& folder) {
    const auto name = model_name_of_folder(owner, folder.filename().string());
    if (name && is_whole_model(folder)) models.push_back({name->text(), folder});
  };
  for (const fs::path& folder : subfolders(place)) {
    add("", folder);
    for (const fs::path& inner : subfolders(folder)) add(folder.filename().string(), inner);
  }
  return models;
}

std::string joined(const std::vector<std::string>& words) {
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

std::string beginning_of(const fs::path& file) {
  std::error_code ignored;
  std::string beginning(64, '\0');
  std::ifstream content;
  if (fs::is_regular_file(file, ignored)) content.open(file, std::ios::binary);
  content.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(std::max<std::streamsize>(content.gcount(), 0)));
  return beginning;
}

// "x.gguf is GGUF, …" if the folder holds such a file, which people take for a model; by what is in it, not its name.
std::string gguf_in(const fs::path& folder) {
  constexpr std::string_view kMagic = "GGUF";
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!beginning_of(it->path()).starts_with(kMagic)) continue;
    return fmt::format("; {} is {}", it->path().filename().string(), *foreign_kind(kMagic));
  }
  return "";
}

std::string file_instead_of_folder(const fs::path& file) {
  const std::string beginning = beginning_of(file);
  if (!beginning.empty()) {
    if (const auto kind = foreign_kind(beginning)) return fmt::format("this file is {}", *kind);
  }
  return "this is a file; a model is a folder that holds config.json";
}

std::string what_is_at(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    return "the folder holds no config.json, so it is not a model" + gguf_in(path);
  }
  return fs::exists(path, ignored) ? file_instead_of_folder(path) : "there is no such model";
}

[[noreturn]] void report_missing(const std::string& wanted, const std::vector<fs::path>& places) {
  std::vector<std::string> looked;
  looked.reserve(places.size());
  for (const fs::path& place : places) looked.push_back(place.string());
  std::vector<std::string> names;
  for (const StoredModel& model : list_models(places)) names.push_back(model.name);
  const std::optional<ModelName> name = parse_model_name(wanted);
  const std::string pull = name && is_hub_name(*name) ? fmt::format("; `glimt pull {}` gets it", name->text()) : "";
  fail(ErrorKind::not_found, wanted, "{}{}. Give a folder or a name; names are looked up in {}; found there: {}",
       what_is_at(wanted), pull, joined(looked), joined(names));
}

std::optional<ForeignModel> find_foreign(const fs::path& place, const ModelName& name) {
  if (auto cached = find_in_huggingface_cache(place, name)) return cached;
  return find_in_ollama_store(place, name);
}

// Throws for a name that is only in another program's store, and not usable there.
std::optional<fs::path> find_by_name(const ModelName& name, const std::vector<fs::path>& places) {
  std::string problem;
  for (const fs::path& place : places) {
    if (fs::path folder = model_folder(place, name); is_model(folder)) return folder;
    const std::optional<ForeignModel> foreign = find_foreign(place, name);
    if (foreign && foreign->problem.empty()) return foreign->folder;
    if (foreign && problem.empty()) problem = foreign->problem;
  }
  if (!problem.empty()) throw Error(ErrorKind::not_found, fmt::format("{}: {}", name.text(), problem));
  return std::nullopt;
}

}  // namespace

fs::path store_folder() {
  if (auto folder = own_store()) return *folder;
  fail(ErrorKind::not_found, "GLIMT_HOME", "a folder for models is wanted: set it, or HOME");
}

std::vector<fs::path> model_places() {
  std::vector<fs::path> places;
  if (const auto store = own_store()) places.push_back(*store);
  if (const fs::path folder = executable_folder(); !folder.empty()) {
    places.push_back(folder.parent_path() / "models");
    places.push_back(folder.parent_path() / "share" / "glimt" / "models");
  }
  for (fs::path& place : foreign_places()) places.push_back(std::move(place));
  return places;
}

std::vector<StoredModel> list_models(const std::vector<fs::path>& places) {
  std::vector<StoredModel> models;
  std::set<std::string> seen;
  for (const fs::path& place : places) {
    for (auto list : {list_folders, list_huggingface_cache, list_ollama_store}) {
      for (StoredModel& model : list(place)) {
        if (seen.insert(model.name).second) models.push_back(std::move(model));
      }
    }
  }
  std::sort(models.begin(), models.end(), [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

fs::path resolve_model(const std::string& name_or_folder, const std::vector<fs::path>& places) {
  if (name_or_folder.empty())
    fail(ErrorKind::invalid_request, "model", "a name or a folder is wanted, got an empty word");
  if (is_model(name_or_folder)) return name_or_folder;
  if (const std::optional<ModelName> name = parse_model_name(name_or_folder)) {
    if (auto found = find_by_name(*name, places)) return *found;
  }
  report_missing(name_or_folder, places);
}

}  // namespace glimt

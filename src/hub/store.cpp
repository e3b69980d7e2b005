#include "hub/store.h"

#include "base/error.h"
#include "base/file_kind.h"
#include "base/machine.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNameBytes = 200;

bool is_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

bool is_name_part(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), allowed);
}

bool is_name(std::string_view name) {
  if (name.size() > kMaxNameBytes) return false;
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return is_name_part(name);
  return is_name_part(name.substr(0, slash)) && is_name_part(name.substr(slash + 1));
}

// A variable that is empty counts as not set, as the XDG specification says.
std::optional<fs::path> from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return fs::path(value);
}

std::optional<fs::path> store_folder() {
  if (const auto folder = from_environment("GLIMT_MODELS")) return folder;
  if (const auto data = from_environment("XDG_DATA_HOME"); data && data->is_absolute())
    return *data / "glimt" / "models";
  if (const auto home = from_environment("HOME")) return *home / ".local" / "share" / "glimt" / "models";
  return std::nullopt;
}

std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (is_name_part(it->path().filename().string()) && it->is_directory(ignored)) found.push_back(it->path());
  }
  return found;
}

std::string joined(const std::vector<std::string>& words) {
  return words.empty() ? "none" : fmt::format("{}", fmt::join(words, ", "));
}

// "x.gguf is GGUF, …" if the folder holds such a file, which people take for a model.
std::string gguf_in(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".gguf") continue;
    return fmt::format("; {} is {}", it->path().filename().string(), *foreign_kind("GGUF"));
  }
  return "";
}

std::string file_instead_of_folder(const fs::path& file) {
  std::error_code ignored;
  std::string beginning(64, '\0');
  std::ifstream content;
  if (fs::is_regular_file(file, ignored)) content.open(file, std::ios::binary);
  if (content.read(beginning.data(), static_cast<std::streamsize>(beginning.size())) || content.gcount() > 0) {
    beginning.resize(static_cast<std::size_t>(content.gcount()));
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
  fail(ErrorKind::not_found, wanted, "{}. Give a folder or a name; names are looked up in {}; found there: {}",
       what_is_at(wanted), joined(looked), joined(names));
}

}  // namespace

std::vector<fs::path> model_places() {
  std::vector<fs::path> places;
  if (const auto store = store_folder()) places.push_back(*store);
  if (const fs::path folder = executable_folder(); !folder.empty()) {
    places.push_back(folder.parent_path() / "models");
    places.push_back(folder.parent_path() / "share" / "glimt" / "models");
  }
  return places;
}

std::vector<StoredModel> list_models(const std::vector<fs::path>& places) {
  std::vector<StoredModel> models;
  std::set<std::string> seen;
  const auto add = [&](std::string name, const fs::path& folder) {
    if (is_model(folder) && seen.insert(name).second) models.push_back({std::move(name), folder});
  };
  for (const fs::path& place : places) {
    for (const fs::path& folder : subfolders(place)) {
      const std::string name = folder.filename().string();
      add(name, folder);
      for (const fs::path& inner : subfolders(folder)) add(name + "/" + inner.filename().string(), inner);
    }
  }
  std::sort(models.begin(), models.end(), [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; });
  return models;
}

fs::path resolve_model(const std::string& name_or_folder, const std::vector<fs::path>& places) {
  if (name_or_folder.empty())
    fail(ErrorKind::invalid_request, "model", "a name or a folder is wanted, got an empty word");
  if (is_model(name_or_folder)) return name_or_folder;
  if (is_name(name_or_folder)) {
    for (const fs::path& place : places) {
      if (is_model(place / name_or_folder)) return place / name_or_folder;
    }
  }
  report_missing(name_or_folder, places);
}

}  // namespace glimt

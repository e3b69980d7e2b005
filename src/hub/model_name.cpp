#include "hub/model_name.h"

#include <algorithm>

namespace glimt {
namespace {

constexpr std::size_t kMaxNameBytes = 200;
constexpr std::size_t kMaxHubPart = 96;
constexpr std::string_view kSlash = "%2F", kColon = "%3A";

bool is_part(std::string_view part) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !part.empty() && part.front() != '.' && std::all_of(part.begin(), part.end(), allowed);
}

bool are_parts(std::string_view path) {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    if (!is_part(path.substr(0, slash))) return false;
    path.remove_prefix(slash + 1);
  }
  return is_part(path);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string file_name(const ModelName& name) {
  std::string suffix = name.suffix;
  replace_all(suffix, "/", kSlash);
  replace_all(suffix, ":", kColon);
  return name.name + suffix;
}

bool is_hub_part(std::string_view part) {
  const auto edge = [](char c) { return c == '-' || c == '.'; };
  return is_part(part) && part.size() <= kMaxHubPart && !edge(part.front()) && !edge(part.back()) &&
         part.find("--") == std::string_view::npos && part.find("..") == std::string_view::npos;
}

}  // namespace

std::string ModelName::repository() const { return owner.empty() ? name : owner + "/" + name; }
std::string ModelName::text() const { return repository() + suffix; }
std::string ModelName::revision() const { return suffix.empty() ? "" : suffix.substr(1); }

std::optional<ModelName> parse_model_name(std::string_view text) {
  if (text.size() > kMaxNameBytes) return std::nullopt;
  const std::size_t end = std::min(text.find_first_of("@:"), text.size());
  const std::string_view repository = text.substr(0, end);
  ModelName name{.owner = "", .name = std::string(repository), .suffix = std::string(text.substr(end))};
  if (const std::size_t slash = repository.find('/'); slash != std::string_view::npos) {
    name.owner = repository.substr(0, slash);
    name.name = repository.substr(slash + 1);
    if (!is_part(name.owner)) return std::nullopt;
  }
  if (!is_part(name.name)) return std::nullopt;
  if (!name.suffix.empty() && !are_parts(std::string_view(name.suffix).substr(1))) return std::nullopt;
  if (name.suffix == ":latest" || name.suffix == "@main") name.suffix.clear();
  return name;
}

std::filesystem::path model_folder(const std::filesystem::path& place, const ModelName& name) {
  return name.owner.empty() ? place / file_name(name) : place / name.owner / file_name(name);
}

std::string unfinished_key(const ModelName& name) { return name.owner + "%" + file_name(name); }

std::optional<ModelName> model_name_of_folder(std::string_view owner, std::string_view folder) {
  std::string text(folder);
  replace_all(text, kSlash, "/");
  replace_all(text, kColon, ":");
  const std::optional<ModelName> name = parse_model_name(owner.empty() ? text : std::string(owner) + "/" + text);
  if (!name || name->owner != owner || file_name(*name) != folder) return std::nullopt;
  return name;
}

std::optional<ModelName> model_name_of_cache_folder(std::string_view folder) {
  constexpr std::string_view kPrefix = "models--", kSeparator = "--";
  if (!folder.starts_with(kPrefix)) return std::nullopt;
  folder.remove_prefix(kPrefix.size());
  const std::size_t at = folder.find(kSeparator);
  if (at == std::string_view::npos) return parse_model_name(folder);
  std::string name(folder.substr(0, at));
  name += '/';
  name += folder.substr(at + kSeparator.size());
  return parse_model_name(name);
}

bool is_hub_name(const ModelName& name) { return is_hub_part(name.owner) && is_hub_part(name.name); }

}  // namespace glimt

#include "base/layers.h"

#include "base/error.h"
#include "base/file.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <regex>
#include <sstream>

namespace glimt {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool is_group(const std::string& name) { return !name.empty() && std::isupper(static_cast<unsigned char>(name[0])); }

bool applies(const Fence& fence, const std::string& file) {
  if (fence.inside.empty()) return !fence.outside.contains(folder_of(file));
  return std::any_of(fence.inside.begin(), fence.inside.end(),
                     [&](const std::string& place) { return file == place || file.starts_with(place + "/"); });
}

}  // namespace

std::string folder_of(const std::string& file) {
  const std::size_t slash = file.find('/');
  return slash == std::string::npos ? "" : file.substr(0, slash);
}

Layers::Layers(const fs::path& file) {
  std::istringstream lines(read_file(file));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = file.string() + ":" + std::to_string(++number);
    if (words_of(line).empty() || line.starts_with('#')) continue;
    if (line.find(" = ") != std::string::npos) {
      read_group(line, where);
    } else {
      read_rule(line, where);
    }
  }
}

void Layers::read_group(const std::string& line, const std::string& where) {
  const std::vector<std::string> words = words_of(line);
  if (!is_group(words.front()) || !groups_.try_emplace(words.front(), words.begin() + 2, words.end()).second) {
    fail(ErrorKind::bad_file, where, "wanted a new name in capitals, got {}", words.front());
  }
}

void Layers::read_rule(const std::string& line, const std::string& where) {
  const std::size_t colon = line.find(':');
  const std::string scope = line.substr(0, colon);
  if (colon == std::string::npos || words_of(scope) != std::vector<std::string>{scope}) {
    fail(ErrorKind::bad_file, where, "wanted `folder: what it may include`, got {}", line);
  }
  if (is_group(scope) && !groups_.contains(scope)) fail(ErrorKind::bad_file, where, "{} stands for nothing", scope);
  std::set<std::string> allowed;
  std::string text;
  for (const std::string& name : words_of(line.substr(colon + 1))) {
    const std::set<std::string> named = is_group(name) && groups_.contains(name) ? groups_.at(name) : std::set{name};
    for (const std::string& one : named) {
      const std::string folder = one.find('/') == std::string::npos ? one : folder_of(one);
      if (!allowed_.contains(folder)) fail(ErrorKind::bad_file, where, "no line above declares {}", name);
    }
    allowed.insert(named.begin(), named.end());
    text += (text.empty() ? "" : " ") + name;
  }
  if (!allowed_.try_emplace(scope, allowed).second) fail(ErrorKind::bad_file, where, "{} a second time", scope);
  text_[scope] = text;
  if (!is_group(scope)) folders_.push_back(scope);
}

std::string Layers::scope_of(const std::string& file) const {
  for (const auto& [group, headers] : groups_) {
    if (headers.contains(file) && allowed_.contains(group)) return group;
  }
  return folder_of(file);
}

bool Layers::allows(const std::string& file, const std::string& included) const {
  const std::string scope = scope_of(file);
  const bool beside = is_group(scope) ? groups_.at(scope).contains(included) : folder_of(included) == scope;
  const std::set<std::string>& allowed = allowed_.at(scope);
  return beside || allowed.contains(folder_of(included)) || allowed.contains(included);
}

SourceTree::SourceTree(const fs::path& root) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension().string();
    if (entry.is_regular_file() && (extension == ".h" || extension == ".cpp" || extension == ".inc")) {
      files_[fs::relative(entry.path(), root).generic_string()] = includes_of(read_file(entry.path()));
    }
  }
}

std::vector<SourceTree::Include> SourceTree::includes_of(const std::string& content) {
  static const std::regex pattern(R"re(^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">])re");
  std::vector<Include> includes;
  std::istringstream lines(content);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, pattern)) includes.push_back({number, match[2], match[1] == "\""});
  }
  return includes;
}

// Where one file's includes lead, under one fence.
struct SourceTree::Search {
  const Fence& fence;
  const std::set<KnownInclude>& known;
  const std::string& from;
  std::vector<std::string>& found;
  std::set<std::string> seen = {};
};

std::vector<std::string> SourceTree::violations(const Layers& layers, const std::vector<Fence>& fences,
                                                const std::set<KnownInclude>& known) const {
  std::vector<std::string> found;
  check_names(layers, found);
  check_layers(layers, known, found);
  for (const Fence& fence : fences) {
    for (const auto& [file, includes] : files_) {
      Search search{fence, known, file, found};
      if (applies(fence, file)) check_fence(search, file);
    }
  }
  return found;
}

void SourceTree::check_names(const Layers& layers, std::vector<std::string>& found) const {
  for (const auto& [file, includes] : files_) {
    if (!layers.knows(folder_of(file))) found.push_back(file + ":0: src/layers.txt does not name its folder");
    for (const Include& include : includes) {
      const std::string place = file + ":" + std::to_string(include.line) + ": ";
      const bool ours = files_.contains(include.file);
      const bool beside =
          files_.contains((fs::path(file).parent_path() / include.file).lexically_normal().generic_string());
      if (ours && !include.quoted) found.push_back(place + "<" + include.file + "> is ours: quote it");
      if (!ours && include.quoted && (beside || layers.knows(folder_of(include.file)) || include.file[0] == '.')) {
        found.push_back(place + "\"" + include.file + "\" is not the path of a file from src/");
      }
    }
  }
}

void SourceTree::check_layers(const Layers& layers, const std::set<KnownInclude>& known,
                              std::vector<std::string>& found) const {
  for (const auto& [file, includes] : files_) {
    if (!layers.knows(folder_of(file))) continue;
    for (const Include& include : includes) {
      if (!files_.contains(include.file) || known.contains({file, include.file})) continue;
      if (!layers.knows(folder_of(include.file)) || layers.allows(file, include.file)) continue;
      found.push_back(file + ":" + std::to_string(include.line) + ": may not include " + include.file +
                      " (src/layers.txt)");
    }
  }
}

void SourceTree::check_fence(Search& search, const std::string& file) const {
  if (!search.seen.insert(file).second) return;
  for (const Include& include : files_.at(file)) {
    if (search.known.contains({file, include.file})) continue;
    const std::vector<std::string>& forbidden = search.fence.forbidden;
    if (std::any_of(forbidden.begin(), forbidden.end(), [&](auto& path) { return include.file.starts_with(path); })) {
      search.found.push_back(file + ":" + std::to_string(include.line) + ": " + search.from + " must not see " +
                             search.fence.name);
    } else if (search.fence.through_others && files_.contains(include.file)) {
      check_fence(search, include.file);
    }
  }
}

}  // namespace glimt

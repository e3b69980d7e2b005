// src/layers.txt as data, and the includes of a source tree beside it.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// "base/file.h" -> "base"; "" for a file outside all folders.
std::string folder_of(const std::string& file);

// The rules of layers.txt. A scope is a folder, or a group: a name in capitals for some headers of one folder.
class Layers {
 public:
  // Throws bad_file, naming the line, for a name that no line before it declares, or that two lines declare.
  explicit Layers(const std::filesystem::path& file);

  const std::vector<std::string>& folders() const { return folders_; }  // lowest first
  bool knows(const std::string& folder) const { return allowed_.contains(folder); }

  // Whether `file` may include `included`, both as paths from src/.
  bool allows(const std::string& file, const std::string& included) const;

  // What a folder or a group may include, as its line says it.
  std::string may_include(const std::string& scope) const { return text_.at(scope); }

  // The headers of a group.
  const std::set<std::string>& headers_of(const std::string& group) const { return groups_.at(group); }

 private:
  void read_group(const std::string& line, const std::string& where);
  void read_rule(const std::string& line, const std::string& where);
  std::string scope_of(const std::string& file) const;

  std::vector<std::string> folders_;
  std::map<std::string, std::set<std::string>> groups_;   // name -> headers
  std::map<std::string, std::set<std::string>> allowed_;  // scope -> folders and headers
  std::map<std::string, std::string> text_;
};

// A thing that some folders must never see, whatever the layers allow.
struct Fence {
  std::string name = {};                    // what must not be seen
  std::set<std::string> inside = {};        // folders, subfolders or headers that promise it
  std::set<std::string> outside = {};       // or, where `inside` is empty: all folders but these promise it
  std::vector<std::string> forbidden = {};  // beginnings of paths in an #include
  bool through_others = false;              // also not through a header of ours that includes it
};

// An #include that breaks a rule and is known: it is not reported, nor is what lies behind it.
struct KnownInclude {
  std::string file, included;
  auto operator<=>(const KnownInclude&) const = default;
};

class SourceTree {
 public:
  explicit SourceTree(const std::filesystem::path& root);  // reads .h, .cpp and .inc

  std::size_t size() const { return files_.size(); }

  // One line for each broken rule, "file:line: what".
  std::vector<std::string> violations(const Layers& layers, const std::vector<Fence>& fences,
                                      const std::set<KnownInclude>& known = {}) const;

 private:
  struct Include {
    int line;
    std::string file;
    bool quoted;
  };
  struct Search;

  void check_names(const Layers& layers, std::vector<std::string>& found) const;
  void check_layers(const Layers& layers, const std::set<KnownInclude>& known, std::vector<std::string>& found) const;
  void check_fence(Search& search, const std::string& file) const;
  static std::vector<Include> includes_of(const std::string& content);

  std::map<std::string, std::vector<Include>> files_;
};

}  // namespace glimt

// Layers point one way: a folder of src/ may include only itself and the folders before it in kLayers. Some layers also
// promise to know nothing of MLX, not even through what they include.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/temporary_folder.h"

namespace glimt {
namespace {

namespace fs = std::filesystem;

// The folders of src/, lowest first. A new folder gets its place here and in src/CMakeLists.txt.
constexpr std::array<std::string_view, 16> kLayers = {
    "base", "kernels", "distributed", "nn",   "cache", "model", "convert", "sampling",
    "text", "grammar", "engine",      "chat", "api",   "hub",   "server",  "cli"};

// These include no MLX header, directly or through another file of ours.
constexpr std::array<std::string_view, 5> kWithoutMlx = {"base/", "sampling/", "text/", "grammar/", "kernels/cpu/"};

struct Include {
  int line;
  std::string file;
  bool quoted;
};

std::vector<Include> includes_of(const std::string& content) {
  static const std::regex pattern(R"re(^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">])re");
  std::vector<Include> includes;
  int number = 0;
  for (std::size_t start = 0; start < content.size();) {
    const std::size_t end = std::min(content.find('\n', start), content.size());
    const std::string line = content.substr(start, end - start);
    start = end + 1;
    ++number;
    std::smatch match;
    if (std::regex_search(line, match, pattern)) includes.push_back({number, match[2], match[1] == "\""});
  }
  return includes;
}

std::string layer_of(const std::string& file) {
  const std::size_t slash = file.find('/');
  return slash == std::string::npos ? "" : file.substr(0, slash);
}

int rank_of(const std::string& file) {
  const auto* place = std::find(kLayers.begin(), kLayers.end(), layer_of(file));
  return place == kLayers.end() ? -1 : static_cast<int>(place - kLayers.begin());
}

bool is_mlx(const std::string& include) { return include.starts_with("mlx/"); }

class Tree {
 public:
  explicit Tree(const fs::path& root) {
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string extension = entry.path().extension().string();
      if (entry.is_regular_file() && (extension == ".h" || extension == ".cpp" || extension == ".inc")) {
        files_[fs::relative(entry.path(), root).generic_string()] = includes_of(read_file(entry.path()));
      }
    }
  }

  // One line for each broken rule, "file:line: what".
  std::vector<std::string> violations() const {
    std::vector<std::string> found;
    for (const auto& [file, includes] : files_) {
      const int rank = rank_of(file);
      if (rank < 0) found.push_back(file + ":0: the folder is not one of the layers");
      for (const Include& include : includes) {
        const std::string place = file + ":" + std::to_string(include.line) + ": ";
        const bool ours = files_.contains(include.file);
        const bool beside =
            files_.contains((fs::path(file).parent_path() / include.file).lexically_normal().generic_string());
        if (ours && !include.quoted) found.push_back(place + "<" + include.file + "> is ours: quote it");
        if (!ours && include.quoted && (beside || rank_of(include.file) >= 0 || include.file.starts_with("."))) {
          found.push_back(place + "\"" + include.file + "\" is not the path of a file from src/");
        }
        if (ours && rank >= 0 && rank_of(include.file) > rank) {
          found.push_back(place + layer_of(file) + " is below " + layer_of(include.file) + ", may not include " +
                          include.file);
        }
      }
      const bool no_mlx =
          std::any_of(kWithoutMlx.begin(), kWithoutMlx.end(), [&](auto p) { return file.starts_with(p); });
      std::set<std::string> seen;
      if (no_mlx) find_mlx(file, file, seen, found);
    }
    return found;
  }

  std::size_t size() const { return files_.size(); }

 private:
  void find_mlx(const std::string& from, const std::string& file, std::set<std::string>& seen,
                std::vector<std::string>& found) const {
    if (!seen.insert(file).second) return;
    for (const Include& include : files_.at(file)) {
      if (is_mlx(include.file)) {
        found.push_back(file + ":" + std::to_string(include.line) + ": " + from + " must not see MLX");
      } else if (files_.contains(include.file)) {
        find_mlx(from, include.file, seen, found);
      }
    }
  }

  std::map<std::string, std::vector<Include>> files_;
};

using Strings = std::vector<std::string>;

// The violations of a tree of one or two files.
Strings in_tree(const std::map<std::string, std::string>& files) {
  const TemporaryFolder folder;
  for (const auto& [name, content] : files) folder.write(name, content);
  return Tree(folder.path()).violations();
}

TEST(IncludeDirection, HoldsInSrc) {
  const Tree tree(fs::path(GLIMT_SOURCE_DIR) / "src");
  EXPECT_GT(tree.size(), 5U);
  std::string all;
  for (const std::string& line : tree.violations()) all += "\n  src/" + line;
  EXPECT_EQ(all, "");
}

TEST(IncludeDirection, DownAndSidewaysIsFine) {
  EXPECT_EQ(in_tree({{"base/a.h", "#include <vector>\n"},
                     {"nn/b.h", "#include \"base/a.h\"\n#include <mlx/mlx.h>\n"},
                     {"nn/b.cpp", "#include \"nn/b.h\"\n"},
                     {"text/c.cpp", "#include \"base/a.h\"\n#include \"glimt_text.h\"\n"},
                     {"text/notes.txt", "#include \"cli/main.h\"\n"}}),
            Strings{});
}

TEST(IncludeDirection, UpIsNot) {
  EXPECT_EQ(in_tree({{"base/a.h", "// text\n\n  #  include \"nn/b.h\" // why\n"}, {"nn/b.h", ""}}),
            Strings{"base/a.h:3: base is below nn, may not include nn/b.h"});
  EXPECT_EQ(in_tree({{"engine/a.cpp", "#include \"chat/b.h\""}, {"chat/b.h", ""}}),
            Strings{"engine/a.cpp:1: engine is below chat, may not include chat/b.h"});
}

TEST(IncludeDirection, NoWayAround) {
  EXPECT_EQ(in_tree({{"base/a.h", "#include <base/b.h>\n"}, {"base/b.h", ""}}),
            Strings{"base/a.h:1: <base/b.h> is ours: quote it"});
  EXPECT_EQ(in_tree({{"base/a.h", "#include \"b.h\"\n"}, {"base/b.h", ""}}),
            Strings{"base/a.h:1: \"b.h\" is not the path of a file from src/"});
  EXPECT_EQ(in_tree({{"base/a.h", "#include \"../nn/b.h\"\n"}, {"nn/b.h", ""}}),
            Strings{"base/a.h:1: \"../nn/b.h\" is not the path of a file from src/"});
  EXPECT_EQ(in_tree({{"helpers/a.h", ""}}), Strings{"helpers/a.h:0: the folder is not one of the layers"});
  EXPECT_EQ(in_tree({{"a.h", ""}}), Strings{"a.h:0: the folder is not one of the layers"});
}

TEST(IncludeDirection, MlxStaysOutOfTheLayersThatPromiseIt) {
  EXPECT_EQ(in_tree({{"text/a.cpp", "#include <mlx/array.h>\n"}}),
            Strings{"text/a.cpp:1: text/a.cpp must not see MLX"});
  EXPECT_EQ(in_tree({{"kernels/k.h", "#include \"mlx/mlx.h\"\n"}, {"sampling/s.h", "#include \"kernels/k.h\"\n"}}),
            Strings{"kernels/k.h:1: sampling/s.h must not see MLX"});
  EXPECT_EQ(
      in_tree({{"kernels/k.h", "#include \"mlx/mlx.h\"\n"}, {"kernels/cpu/avx2.cpp", "#include \"kernels/k.h\"\n"}}),
      Strings{"kernels/k.h:1: kernels/cpu/avx2.cpp must not see MLX"});
  EXPECT_EQ(in_tree({{"kernels/k.h", "#include \"mlx/mlx.h\"\n"}}), Strings{});
}

}  // namespace
}  // namespace glimt

// The includes of src/ follow src/layers.txt, stay on their side of six fences, and docs/ARCHITECTURE.md prints both.
#include "base/file.h"
#include "base/layers.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

const std::vector<Fence>& fences() {
  static const std::vector<Fence> all = {
      {.name = "MLX",
       .inside = {"base", "text", "grammar", "sampling", "hub", "checkpoint", "chat", "api", "server", "kernels/cpu",
                  "launch", "distributed", "engine/engine.h", "engine/stream.h", "engine/request.h",
                  "engine/engine_options.h", "engine/metrics.h"},
       .forbidden = {"mlx/"},
       .through_others = true},
      {.name = "the CPU's loops", .outside = {"kernels"}, .forbidden = {"kernels/cpu/"}},
      {.name = "HTTP", .outside = {"server", "hub"}, .forbidden = {"boost/asio", "boost/beast", "curl/", "openssl/"}},
      {.name = "sockets",
       .outside = {"server", "hub", "launch", "distributed"},
       .forbidden = {"sys/socket.h", "netinet/", "arpa/", "netdb.h"}},
      {.name = "the engine", .inside = {"api"}, .forbidden = {"engine/"}, .through_others = true},
      {.name = "CLI11", .outside = {"cli"}, .forbidden = {"CLI/"}},
  };
  return all;
}

// What breaks a rule today. Delete the line of one that you mend: an exception that is not needed fails the test.
const std::set<KnownInclude>& known() {
  static const std::set<KnownInclude> all = {};
  return all;
}

const fs::path kRoot = GLIMT_SOURCE_DIR;

Layers project_layers() { return Layers(kRoot / "src" / "layers.txt"); }

std::string lines_of(const Strings& lines) {
  std::string all;
  for (const std::string& line : lines) all += "\n  src/" + line;
  return all;
}

TEST(IncludeDirection, HoldsInSrc) {
  const SourceTree tree(kRoot / "src");
  EXPECT_GT(tree.size(), 200U);
  EXPECT_EQ(lines_of(tree.violations(project_layers(), fences(), known())), "");
}

TEST(IncludeDirection, EveryExceptionIsNeeded) {
  const SourceTree tree(kRoot / "src");
  const Layers layers = project_layers();
  for (const KnownInclude& one : known()) {
    std::set<KnownInclude> others = known();
    others.erase(one);
    EXPECT_GT(tree.violations(layers, fences(), others).size(), tree.violations(layers, fences(), known()).size())
        << one.file << " does not include " << one.included << " any more, or may: delete the exception";
  }
}

TEST(IncludeDirection, ArchitecturePrintsTheLayers) {
  const Layers layers = project_layers();
  std::string printed;
  for (const std::string& folder : layers.folders()) {
    const std::string allowed = layers.may_include(folder);
    printed += fmt::format("    {}:{}{}\n", folder, allowed.empty() ? "" : " ", allowed);
  }
  EXPECT_NE(read_file(kRoot / "docs" / "ARCHITECTURE.md").find(printed), std::string::npos)
      << "docs/ARCHITECTURE.md wants this:\n"
      << printed;
}

// ---- The rules themselves, on trees of a few files ----

// The violations of such a tree under these layers.
Strings in_tree(const std::map<std::string, std::string>& files) {
  const TemporaryFolder folder, rules;
  for (const auto& [name, content] : files) folder.write(name, content);
  const fs::path layers = rules.write("layers.txt",
                                      "# a comment\n\nENGINE_FRONT = engine/engine.h engine/stream.h\n"
                                      "base:\ntext: base\nkernels: base\nnn: base kernels\n"
                                      "engine: base kernels\nENGINE_FRONT: base kernels/row_type.h\n"
                                      "chat: base text ENGINE_FRONT\nhub: base\nserver: base\napi: base chat\n"
                                      "cli: base hub chat\n");
  return SourceTree(folder.path()).violations(Layers(layers), fences());
}

TEST(IncludeDirection, WhatTheLineNamesIsFine) {
  EXPECT_EQ(in_tree({{"base/a.h", "#include <vector>\n"},
                     {"kernels/k.h", "#include <mlx/mlx.h>\n#include \"base/a.h\"\n"},
                     {"nn/b.h", "#include \"base/a.h\"\n#include \"kernels/k.h\"\n"},
                     {"nn/b.cpp", "#include \"nn/b.h\"\n"},
                     {"engine/engine.h", "#include \"engine/stream.h\"\n"},
                     {"engine/engine.cpp", "#include \"engine/engine.h\"\n#include \"kernels/k.h\"\n"},
                     {"engine/stream.h", "#include \"kernels/row_type.h\"\n"},
                     {"kernels/row_type.h", ""},
                     {"chat/c.cpp", "#include \"engine/engine.h\"\n#include \"glimt_text.h\"\n"},
                     {"hub/h.cpp", "#include <boost/asio.hpp>\n"},
                     {"cli/m.cpp", "#include <CLI/CLI.hpp>\n"},
                     {"text/notes.txt", "#include \"cli/main.h\"\n"}}),
            Strings{});
}

TEST(IncludeDirection, WhatItDoesNotNameIsNot) {
  EXPECT_EQ(in_tree({{"base/a.h", "// text\n\n  #  include \"nn/b.h\" // why\n"}, {"nn/b.h", ""}}),
            Strings{"base/a.h:3: may not include nn/b.h (src/layers.txt)"});
  EXPECT_EQ(in_tree({{"kernels/a.cpp", "#include \"text/b.h\""}, {"text/b.h", ""}}),
            Strings{"kernels/a.cpp:1: may not include text/b.h (src/layers.txt)"})
      << "an order alone would allow it";
}

TEST(IncludeDirection, OnlyTheFrontIsSeenFromOutsideAndItShowsNoInside) {
  EXPECT_EQ(in_tree({{"chat/a.cpp", "#include \"engine/loop.h\""}, {"engine/loop.h", ""}}),
            Strings{"chat/a.cpp:1: may not include engine/loop.h (src/layers.txt)"});
  EXPECT_EQ(in_tree({{"engine/engine.h", "#include \"engine/loop.h\""}, {"engine/loop.h", ""}}),
            Strings{"engine/engine.h:1: may not include engine/loop.h (src/layers.txt)"});
  EXPECT_EQ(in_tree({{"engine/stream.h", "#include \"kernels/rows.h\""}, {"kernels/rows.h", ""}}),
            Strings{"engine/stream.h:1: may not include kernels/rows.h (src/layers.txt)"});
}

TEST(IncludeDirection, NoWayAround) {
  EXPECT_EQ(in_tree({{"base/a.h", "#include <base/b.h>\n"}, {"base/b.h", ""}}),
            Strings{"base/a.h:1: <base/b.h> is ours: quote it"});
  EXPECT_EQ(in_tree({{"base/a.h", "#include \"b.h\"\n"}, {"base/b.h", ""}}),
            Strings{"base/a.h:1: \"b.h\" is not the path of a file from src/"});
  EXPECT_EQ(in_tree({{"base/a.h", "#include \"../nn/b.h\"\n"}, {"nn/b.h", ""}}),
            Strings{"base/a.h:1: \"../nn/b.h\" is not the path of a file from src/"});
  EXPECT_EQ(in_tree({{"helpers/a.h", ""}}), Strings{"helpers/a.h:0: src/layers.txt does not name its folder"});
  EXPECT_EQ(in_tree({{"a.h", ""}}), Strings{"a.h:0: src/layers.txt does not name its folder"});
}

TEST(IncludeDirection, MlxStaysBehindItsFence) {
  EXPECT_EQ(in_tree({{"text/a.cpp", "#include <mlx/array.h>\n"}}),
            Strings{"text/a.cpp:1: text/a.cpp must not see MLX"});
  EXPECT_EQ(in_tree({{"kernels/row_type.h", "#include \"mlx/mlx.h\"\n"},
                     {"engine/engine.h", "#include \"kernels/row_type.h\"\n"},
                     {"chat/c.h", "#include \"engine/engine.h\"\n"}}),
            (Strings{"kernels/row_type.h:1: chat/c.h must not see MLX",
                     "kernels/row_type.h:1: engine/engine.h must not see MLX"}));
  EXPECT_EQ(in_tree({{"kernels/k.h", "#include \"mlx/mlx.h\"\n"}, {"kernels/cpu/a.cpp", "#include \"kernels/k.h\"\n"}}),
            Strings{"kernels/k.h:1: kernels/cpu/a.cpp must not see MLX"});
  EXPECT_EQ(in_tree({{"kernels/k.h", "#include \"mlx/mlx.h\"\n"}}), Strings{});
}

TEST(IncludeDirection, TheOtherFencesHold) {
  EXPECT_EQ(in_tree({{"nn/a.cpp", "#include \"kernels/cpu/loop.h\"\n"}, {"kernels/cpu/loop.h", ""}}),
            Strings{"nn/a.cpp:1: nn/a.cpp must not see the CPU's loops"});
  EXPECT_EQ(in_tree({{"cli/a.cpp", "#include <boost/beast/http.hpp>\n"}}),
            Strings{"cli/a.cpp:1: cli/a.cpp must not see HTTP"});
  EXPECT_EQ(in_tree({{"server/a.cpp", "#include <CLI/CLI.hpp>\n"}}),
            Strings{"server/a.cpp:1: server/a.cpp must not see CLI11"});
  EXPECT_EQ(in_tree({{"api/a.cpp", "#include \"chat/b.h\"\n"},
                     {"chat/b.h", "#include \"engine/engine.h\"\n"},
                     {"engine/engine.h", ""}}),
            Strings{"chat/b.h:1: api/a.cpp must not see the engine"});
}

TEST(IncludeDirection, MistakesInTheFileAreNamed) {
  const TemporaryFolder folder;
  const auto layers = [&](const std::string& content) { return Layers(folder.write("l.txt", content)); };
  EXPECT_ERROR(layers("base: text\ntext:\n"), ErrorKind::bad_file, HasSubstr("l.txt:1: no line above declares text"));
  EXPECT_ERROR(layers("base:\nbase:\n"), ErrorKind::bad_file, HasSubstr("l.txt:2: base a second time"));
  EXPECT_ERROR(layers("\nbase\n"), ErrorKind::bad_file, HasSubstr("l.txt:2: wanted `folder: what it may include`"));
  EXPECT_ERROR(layers("FRONT:\n"), ErrorKind::bad_file, HasSubstr("l.txt:1: FRONT stands for nothing"));
  EXPECT_ERROR(layers("front = a/b.h\n"), ErrorKind::bad_file, HasSubstr("l.txt:1: wanted a new name in capitals"));
}

}  // namespace
}  // namespace glimt

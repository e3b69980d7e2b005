#include "convert/journal.h"

#include "base/file.h"
#include "base/temporary_folder.h"

#include <gtest/gtest.h>

namespace glimt::convert {
namespace {

TEST(Journal, RemembersWhatWasAddedForTheSamePlanOnly) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  Journal first(path, "plan a");
  EXPECT_TRUE(first.is_empty());
  first.clear();
  first.add({"x", "y"});
  first.add({});
  first.add({"z"});
  const Journal again(path, "plan a"), other(path, "plan b");
  for (const char* unit : {"x", "y", "z"}) EXPECT_TRUE(again.has(unit)) << unit;
  EXPECT_FALSE(again.has("plan a"));
  EXPECT_TRUE(other.is_empty());
}

TEST(Journal, EveryCutOfItIsUnderstood) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "journal";
  Journal journal(path, "plan");
  journal.clear();
  journal.add({"model.norm.weight", "lm_head.weight"});
  const std::string text = read_file(path);
  for (std::size_t length = 0; length <= text.size(); ++length) {
    write_file_atomically(path, text.substr(0, length));
    const Journal cut(path, "plan");
    EXPECT_EQ(cut.has("model.norm.weight"), length >= text.find("lm_head"));
    EXPECT_EQ(cut.has("lm_head.weight"), length == text.size());
  }
}

TEST(Journal, ClearForgets) {
  const TemporaryFolder folder;
  Journal journal(folder.path() / "journal", "plan");
  journal.clear();
  journal.add({"x"});
  journal.clear();
  EXPECT_TRUE(journal.is_empty());
  EXPECT_TRUE(Journal(folder.path() / "journal", "plan").is_empty());
}

}  // namespace
}  // namespace glimt::convert

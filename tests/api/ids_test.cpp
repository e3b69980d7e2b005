#include "api/ids.h"

#include <gmock/gmock.h>

#include <set>

namespace glimt {
namespace {

TEST(IdSource, APrefixAnd24LettersAndDigits) {
  IdSource source;
  const std::string id = source.next("call_");
  ASSERT_EQ(id.size(), 29U);
  EXPECT_EQ(id.substr(0, 5), "call_");
  EXPECT_EQ(id.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 5), id.npos);
}

TEST(IdSource, NeverTheSameTwice) {
  IdSource source(7);
  std::set<std::string> ids;
  for (int i = 0; i < 100000; ++i) ids.insert(source.next(""));
  EXPECT_EQ(ids.size(), 100000U);
}

TEST(IdSource, SourcesDiffer) {
  EXPECT_NE(IdSource().next(""), IdSource().next(""));
  EXPECT_EQ(IdSource(1).next(""), IdSource(1).next(""));
  EXPECT_NE(IdSource(1).next(""), IdSource(2).next(""));
}

}  // namespace
}  // namespace glimt

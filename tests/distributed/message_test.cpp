#include "distributed/message.h"

#include "base/throws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

TEST(Message, GivesBackWhatWasPut) {
  MessageWriter writer;
  writer.put(7).put(std::string_view("text")).put(std::vector<int>{1, -2}).put(std::uint64_t{1} << 40).put(true);
  MessageReader reader(writer.bytes());
  EXPECT_EQ(reader.get<int>(), 7);
  EXPECT_EQ(reader.text(), "text");
  EXPECT_EQ(reader.numbers(), (std::vector<int>{1, -2}));
  EXPECT_EQ(reader.get<std::uint64_t>(), std::uint64_t{1} << 40);
  EXPECT_TRUE(reader.get<bool>());
  EXPECT_TRUE(reader.at_end());
}

TEST(Message, RefusesToReadBehindItsEnd) {
  MessageWriter writer;
  writer.put(std::string_view("text"));
  for (std::size_t size = 0; size < writer.bytes().size(); ++size) {
    MessageReader reader(std::span(writer.bytes()).first(size));
    EXPECT_ERROR((reader.text()), ErrorKind::internal, testing::HasSubstr("message"));
  }
}

TEST(Message, RefusesALengthThatIsNone) {
  MessageWriter writer;
  writer.put(~std::uint64_t{0});
  MessageReader reader(writer.bytes());
  EXPECT_ERROR((reader.stretch()), ErrorKind::internal, testing::HasSubstr("message"));
}

}  // namespace
}  // namespace glimt

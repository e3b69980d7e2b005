#include "cli/progress.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using namespace std::chrono_literals;

class ProgressTest : public testing::Test {
 protected:
  Progress::Output output(bool terminal) {
    return {.file = file_, .terminal = terminal, .now = [this] { return now_; }};
  }
  std::string written() {
    std::fflush(file_);
    return std::string(buffer_, size_);
  }
  void TearDown() override {
    std::fclose(file_);
    std::free(buffer_);
  }

  char* buffer_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_ = ::open_memstream(&buffer_, &size_);
  Progress::Clock::time_point now_{};
};

TEST_F(ProgressTest, ShortWorkLeavesNoTrace) {
  {
    Progress progress("reading", "tokens", output(true));
    for (std::size_t i = 0; i < 40; ++i, now_ += 10ms) progress.update(i, 40);
  }
  EXPECT_EQ(written(), "");
}

TEST_F(ProgressTest, DrawsABarOnATerminalAndWipesIt) {
  {
    Progress progress("reading", "tokens", output(true));
    now_ += 1s;
    progress.update(50, 100);
    EXPECT_EQ(written(), "\r\033[Kreading [############............] 50 of 100 tokens, 1 s left");
    now_ += 10ms;
    progress.update(51, 100);
    EXPECT_EQ(written().find("51 of"), std::string::npos) << "redrawn too soon";
    now_ += 100ms;
    progress.update(100, 100);
    EXPECT_NE(written().find("[########################] 100 of 100"), std::string::npos);
  }
  EXPECT_TRUE(written().ends_with("\r\033[K"));
}

TEST_F(ProgressTest, WritesPlainLinesElsewhere) {
  Progress progress("reading", "tokens", output(false));
  for (std::size_t i = 0; i < 120; ++i, now_ += 100ms) progress.update(i, 120);
  const std::string lines = written();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);  // at 0.5, 5.5 and 10.5 seconds
  EXPECT_EQ(lines.find('\r'), std::string::npos);
  EXPECT_EQ(lines.find('\033'), std::string::npos);
  EXPECT_TRUE(lines.starts_with("reading: 5 of 120 tokens, 12 s left\n"));
}

TEST_F(ProgressTest, StrangeNumbersAreHarmless) {
  Progress progress("reading", "tokens", output(true));
  now_ += 1s;
  progress.update(0, 0);
  EXPECT_EQ(written(), "");
  progress.update(200, 100);
  EXPECT_EQ(written(), "") << "work that is done when it would first be shown was short enough";
  progress.update(1, 100);
  now_ += 1s;
  progress.update(200, 100);
  EXPECT_NE(written().find("100 of 100"), std::string::npos);
}

}  // namespace
}  // namespace glimt

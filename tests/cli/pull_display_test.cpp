#include "cli/pull_display.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class PullDisplays : public testing::Test {
 protected:
  PullDisplay::Output output(bool terminal) {
    return {.file = file_, .terminal = terminal, .columns = 100, .now = [this] { return now_; }};
  }
  std::string printed() {
    std::fflush(file_);
    return {text_, size_};
  }
  // Two files of 100 MB, of which so much is there.
  void at(PullDisplay& display, std::chrono::seconds time, std::uint64_t a, std::uint64_t b,
          const char* status = "pulling") {
    now_ = start_ + time;
    constexpr std::uint64_t kTotal = 100'000'000;
    for (const auto& [name, done] : {std::pair{"a.safetensors", a}, std::pair{"b.safetensors", b}}) {
      display.show({.status = "pulling x",
                    .file = name,
                    .total = kTotal,
                    .completed = done,
                    .all_total = 2 * kTotal,
                    .all_completed = a + b});
    }
    display.show({.status = status, .all_total = 2 * kTotal, .all_completed = a + b, .wait_seconds = 7});
  }
  ~PullDisplays() override {
    std::fclose(file_);
    std::free(text_);
  }

  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_ = ::open_memstream(&text_, &size_);
  PullDisplay::Clock::time_point start_{1000s}, now_ = start_;
};

TEST_F(PullDisplays, ATerminalHasALineForEachFileAndOneForAll) {
  {
    PullDisplay display(output(true));
    at(display, 0s, 0, 0);
    at(display, 2s, 20'000'000, 40'000'000);
    EXPECT_THAT(printed(), HasSubstr("20.0 MB of 100.0 MB, 10.0 MB/s, 8 s left\n"));
    EXPECT_THAT(printed(), HasSubstr("40.0 MB of 100.0 MB, 20.0 MB/s, 3 s left\n"));
    EXPECT_THAT(printed(), HasSubstr("60.0 MB of 200.0 MB, 30.0 MB/s, 5 s left\n"));
    EXPECT_THAT(printed(), HasSubstr("\033[3A\r\033[J"));
  }
  EXPECT_TRUE(printed().ends_with("\033[3A\r\033[J")) << "the lines are wiped at the end";
}

TEST_F(PullDisplays, ElsewhereALineForEachFinishedFileAndNowAndThenOneForAll) {
  PullDisplay display(output(false));
  at(display, 0s, 0, 0);
  at(display, 1s, 50'000'000, 0);
  EXPECT_EQ(printed(), "");
  at(display, 6s, 100'000'000, 20'000'000);
  EXPECT_THAT(printed(), HasSubstr("a.safetensors: 100.0 MB\n"));
  EXPECT_THAT(printed(), HasSubstr("120.0 MB of 200.0 MB, 20.0 MB/s, 4 s left\n"));
  EXPECT_THAT(printed(), Not(HasSubstr("\033")));
}

TEST_F(PullDisplays, SaysThatTheHubWantsAPause) {
  PullDisplay display(output(true));
  at(display, 0s, 0, 0);
  at(display, 1s, 0, 0, "waiting");
  EXPECT_THAT(printed(), HasSubstr("pause of 7 s"));
}

TEST(ByteRates, ForgetWhatWasLongAgo) {
  ByteRate rate;
  const ByteRate::Clock::time_point start{};
  EXPECT_EQ(rate.per_second(), 0);
  for (int second = 0; second <= 20; ++second)
    rate.add(start + std::chrono::seconds(second), second < 10 ? 0U : 100U * static_cast<unsigned>(second - 10));
  EXPECT_DOUBLE_EQ(rate.per_second(), 100);
  rate.add(start + 21s, 0);
  EXPECT_EQ(rate.per_second(), 0) << "the file has begun anew";
}

}  // namespace
}  // namespace glimt

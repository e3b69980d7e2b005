#include "server/token_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using Clock = TokenHistory::Clock;

const Clock::time_point kStart{1000s};  // where a slot begins

ModelStatus model(const std::string& name, std::size_t generated, std::size_t prompt) {
  ModelStatus status;
  status.model.name = name;
  status.state = ModelStatus::State::loaded;
  status.metrics.generated_tokens = generated;
  status.metrics.prompt_tokens = prompt;
  return status;
}

std::vector<std::int64_t> last(const TokenHistory& history, Clock::time_point now, const char* what,
                               std::size_t count) {
  std::vector<std::int64_t> numbers;
  const json::object told = history.json(now);
  const json::array& all = told.at(what).as_array();
  EXPECT_EQ(all.size(), TokenHistory::kSlots);
  for (std::size_t i = all.size() - count; i < all.size(); ++i) numbers.push_back(all[i].to_number<std::int64_t>());
  return numbers;
}

TEST(TokenHistoryTest, TellsWhatCameInEachSlotThatHasEnded) {
  TokenHistory history;
  history.note({model("a", 10, 100)}, kStart);
  history.note({model("a", 12, 100)}, kStart + 4s);
  history.note({model("a", 20, 150)}, kStart + 5s);
  EXPECT_THAT(last(history, kStart + 4s, "generated", 2), testing::ElementsAre(0, 0));  // has not ended
  EXPECT_THAT(last(history, kStart + 5s, "generated", 2), testing::ElementsAre(0, 12));
  EXPECT_THAT(last(history, kStart + 10s, "generated", 3), testing::ElementsAre(0, 12, 8));
  EXPECT_THAT(last(history, kStart + 10s, "prompt", 3), testing::ElementsAre(0, 100, 50));
  EXPECT_EQ(history.json(kStart).at("seconds").to_number<int>(), 5);
}

TEST(TokenHistoryTest, SlotsWithoutACallAreEmpty) {
  TokenHistory history;
  history.note({model("a", 7, 0)}, kStart);
  history.note({model("a", 9, 0)}, kStart + 15s);
  EXPECT_THAT(last(history, kStart + 20s, "generated", 5), testing::ElementsAre(0, 7, 0, 0, 2));
  EXPECT_THAT(last(history, kStart + 30s, "generated", 4), testing::ElementsAre(0, 2, 0, 0));
}

TEST(TokenHistoryTest, ForgetsWhatIsOlderThanTenMinutes) {
  TokenHistory history;
  history.note({model("a", 7, 0)}, kStart);
  EXPECT_THAT(last(history, kStart + 600s, "generated", TokenHistory::kSlots), testing::Contains(7));
  EXPECT_THAT(last(history, kStart + 605s, "generated", TokenHistory::kSlots), testing::Each(0));
  for (std::size_t i = 1; i <= 3 * TokenHistory::kSlots; ++i) {
    history.note({model("a", 7 + i, 0)}, kStart + i * 5s);
  }
  const Clock::time_point end = kStart + (3 * TokenHistory::kSlots + 1) * 5s;
  EXPECT_THAT(last(history, end, "generated", TokenHistory::kSlots), testing::Each(1));
  history.note({model("a", 1000, 0)}, end + 2000s);
  EXPECT_THAT(last(history, end + 2000s, "generated", TokenHistory::kSlots), testing::Each(0));
}

TEST(TokenHistoryTest, AddsModelsAndBearsThatTheyGoAndComeAgain) {
  TokenHistory history;
  history.note({model("a", 10, 0), model("b", 1, 0)}, kStart);
  history.note({model("b", 3, 0)}, kStart + 5s);                     // a went
  history.note({model("a", 4, 0), model("b", 3, 0)}, kStart + 10s);  // and was loaded again
  history.note({model("a", 2, 0), model("b", 3, 0)}, kStart + 15s);  // between two calls, too
  EXPECT_THAT(last(history, kStart + 20s, "generated", 4), testing::ElementsAre(11, 2, 4, 2));
  ModelStatus loading = model("c", 99, 99);
  loading.state = ModelStatus::State::loading;
  history.note({loading}, kStart + 20s);
  EXPECT_THAT(last(history, kStart + 25s, "generated", 1), testing::ElementsAre(0));
}

}  // namespace
}  // namespace glimt

#include "simulation/trace.h"

#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>

#include <algorithm>

namespace glimt::simulation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Trace, IsThatOfItsSeed) {
  const auto signature = [](std::uint64_t seed) {
    std::vector<int> numbers;
    for (const Session& session : make_trace({.seed = seed, .seconds = 600})) {
      for (const Turn& turn : session.turns) numbers.insert(numbers.end(), {turn.message, turn.answer});
    }
    return numbers;
  };
  EXPECT_EQ(signature(1), signature(1));
  EXPECT_NE(signature(1), signature(2));
}

TEST(Trace, HasTheRateTheMixAndTheLengthsThatItSays) {
  const std::vector<Session> sessions = make_trace({.seed = 3, .seconds = 10'000, .sessions_a_second = 0.5});
  EXPECT_NEAR(static_cast<double>(sessions.size()), 5000, 250);
  std::size_t agents = 0, turns = 0;
  std::vector<int> answers;
  for (const Session& session : sessions) {
    ASSERT_TRUE(session.start >= 0 && session.start < 10'000);
    if (session.system_tokens == 6000) {
      ++agents;
      continue;
    }
    turns += session.turns.size();
    for (const Turn& turn : session.turns) answers.push_back(turn.answer);
  }
  EXPECT_NEAR(static_cast<double>(agents) / static_cast<double>(sessions.size()), 0.3, 0.03);
  EXPECT_NEAR(static_cast<double>(turns) / static_cast<double>(sessions.size() - agents), 4.5, 0.5);
  std::nth_element(answers.begin(), answers.begin() + std::ssize(answers) / 2, answers.end());
  EXPECT_NEAR(answers[answers.size() / 2], 250, 15);
}

TEST(Trace, SessionsShareTheSystemPromptAlone) {
  const Session a{.text = 10, .system = 1, .system_tokens = 50}, b{.text = 11, .system = 1, .system_tokens = 50};
  const std::vector<TokenId> first = tokens_of(a, 100), second = tokens_of(b, 100);
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 50, second.begin()));
  EXPECT_NE(first[50], second[50]);
  const std::vector<TokenId> longer = tokens_of(a, 200);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), longer.begin())) << "a conversation grows at its end";
}

class TraceFile : public ::testing::Test {
 protected:
  std::vector<Session> read(std::string_view content) { return read_trace(folder_.write("trace.jsonl", content)); }

  TemporaryFolder folder_;
};

TEST_F(TraceFile, HasARequestALine) {
  const std::vector<Session> sessions = read(R"({"time": 1, "session": "a", "prompt_tokens": 100, "answer_tokens": 20}
{"time": 2.5, "session": "b", "prompt_tokens": 7, "answer_tokens": 1, "system": "s", "system_tokens": 5}

{"time": 4, "session": "a", "prompt_tokens": 150, "answer_tokens": 10}
{"time": 5, "session": "a", "prompt_tokens": 30, "answer_tokens": 10}
)");
  ASSERT_EQ(sessions.size(), 3U);
  EXPECT_EQ(sessions[0].start, 1);
  ASSERT_EQ(sessions[0].turns.size(), 2U);
  EXPECT_EQ(sessions[0].turns[1].message, 30) << "150 without the 120 before";
  EXPECT_EQ(sessions[0].turns[1].pause, 3);
  EXPECT_FALSE(sessions[0].waits);
  EXPECT_EQ(sessions[1].system_tokens, 5);
  EXPECT_EQ(sessions[2].turns[0].message, 30) << "shorter than before: it begins anew";
  EXPECT_NE(sessions[2].text, sessions[0].text);
}

TEST_F(TraceFile, SaysWhichLineIsWrong) {
  const auto refused = [&](std::string_view line, const std::string& why) {
    EXPECT_ERROR(read(std::string(R"({"time": 1, "session": "a", "prompt_tokens": 1, "answer_tokens": 1})") + "\n" +
                      std::string(line)),
                 ErrorKind::bad_file, AllOf(HasSubstr("trace.jsonl: line 2"), HasSubstr(why)));
  };
  refused("[]", "an object is wanted");
  refused(R"({"time": 0.5, "session": "a", "prompt_tokens": 1, "answer_tokens": 1})", "'time' must not be before");
  refused(R"({"time": 1, "session": "a", "prompt_tokens": 0, "answer_tokens": 1})", "'prompt_tokens'");
  refused(R"({"time": 1, "session": "a", "prompt_tokens": 1})", "'answer_tokens'");
  refused(R"({"time": 1, "session": "a", "prompt_tokens": 1, "answer_tokens": 1, "user": "x"})", "user");
}

}  // namespace
}  // namespace glimt::simulation

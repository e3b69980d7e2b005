#include "simulation/simulation.h"

#include "base/temporary_folder.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

namespace glimt::simulation {
namespace {

// Every step takes a second, whatever is in it; a row has a byte.
StepSeconds a_second_each() {
  const TemporaryFolder folder;
  return StepSeconds::from_file(folder.write("costs.json", R"({"machine": "m", "date": "d", "model": "x", "layers": 1,
    "row_bytes": 1, "steps": [{"sequences": 1, "tokens": 1, "depth": 0, "seconds": 1},
    {"sequences": 1, "tokens": 1, "depth": 9, "seconds": 1}, {"sequences": 1, "tokens": 512, "depth": 0, "seconds": 1},
    {"sequences": 1, "tokens": 512, "depth": 9, "seconds": 1}]})"));
}

// About what a small server needs: 10 ms and 1 ms a row.
StepSeconds linear() {
  const TemporaryFolder folder;
  return StepSeconds::from_file(folder.write("costs.json", R"({"machine": "m", "date": "d", "model": "x", "layers": 10,
    "row_bytes": 1, "steps": [{"sequences": 1, "tokens": 1, "depth": 0, "seconds": 0.011},
    {"sequences": 1, "tokens": 1, "depth": 1000, "seconds": 0.012}, {"sequences": 8, "tokens": 1, "depth": 0, "seconds": 0.018},
    {"sequences": 1, "tokens": 512, "depth": 0, "seconds": 0.522}, {"sequences": 1, "tokens": 512, "depth": 1000, "seconds": 0.6}]})"));
}

std::vector<Session> trace_of(std::string_view lines) {
  const TemporaryFolder folder;
  return read_trace(folder.write("trace.jsonl", lines));
}

SimulationOptions options(int replicas = 1) {
  SimulationOptions options;
  options.replicas = replicas;
  options.warm_up = 0;
  options.replica.cache_bytes = 1e6;
  return options;
}

TEST(Simulation, OfThreeRequestsByHand) {
  const std::vector<Session> sessions = trace_of(
      R"({"time": 0, "session": "a", "prompt_tokens": 300, "answer_tokens": 3}
{"time": 0.5, "session": "b", "prompt_tokens": 10, "answer_tokens": 2}
{"time": 10, "session": "a", "prompt_tokens": 320, "answer_tokens": 1}
)");
  SimulationOptions by_hand = options();
  by_hand.replica.step_tokens = 256;
  by_hand.replica.step_time = 0;
  const Result result = simulate(sessions, a_second_each(), by_hand);
  ASSERT_EQ(result.outcomes.size(), 3U);
  const Outcome &a = result.outcomes[0], &b = result.outcomes[1], &again = result.outcomes[2];
  // 256 tokens of a; the other 44 and all of b: both have their first token; then one a second.
  EXPECT_EQ(a.first_token, 2);
  EXPECT_EQ(a.end, 4);
  EXPECT_EQ(b.first_token, 2);
  EXPECT_EQ(b.end, 3);
  // All of a's conversation is there but the row of its last token.
  EXPECT_EQ(again.cached, 302);
  EXPECT_EQ(again.first_token, 11);
  EXPECT_EQ(result.report.requests, 3);
  EXPECT_EQ(result.report.rejected, 0);
  EXPECT_EQ(result.report.first_token.p50, 1.5);
  EXPECT_EQ(result.report.first_token.p99, 2);
  EXPECT_EQ(result.report.between.p50, 1);
  EXPECT_NEAR(result.report.hit_rate, 302.0 / 303, 1e-9);
  EXPECT_EQ(result.report.memory, 5 * 128) << "three blocks of a, the third once more to go on in, one of b";
}

// Whatever happens, every request ends once: with all of its answer, or rejected.
void expect_conserved(const std::vector<Session>& sessions, const Result& result) {
  std::vector<int> answered(sessions.size());
  std::vector<bool> rejected(sessions.size());
  for (const Outcome& outcome : result.outcomes) {
    const Session& session = sessions[outcome.session];
    ASSERT_FALSE(rejected[outcome.session]) << "a session ends with its first rejection";
    ASSERT_GE(outcome.end, outcome.arrival);
    rejected[outcome.session] = outcome.rejected;
    if (outcome.rejected) continue;
    ASSERT_EQ(outcome.turn, answered[outcome.session]++);
    ASSERT_EQ(outcome.tokens, session.turns[static_cast<std::size_t>(outcome.turn)].answer);
    ASSERT_GE(outcome.first_token, outcome.arrival);
    ASSERT_LT(outcome.cached, outcome.prompt);
  }
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    ASSERT_TRUE(rejected[i] || answered[i] == std::ssize(sessions[i].turns)) << "session " << i;
  }
}

std::vector<Session> random_sessions(std::uint64_t seed) {
  return make_trace({.seed = seed, .seconds = 200, .sessions_a_second = 0.3, .agents = 0.3});
}

TEST(Simulation, LosesNoRequestAndAnswersNoneTwice) {
  int rejected = 0;
  std::uint64_t preemptions = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SimulationOptions some = options(1 + static_cast<int>(seed % 3));
    some.seconds = 1e6;  // every session comes to its end
    some.seed = seed;
    some.replica.queue = seed % 2 == 0 ? 1 : 256;
    some.replica.cache_bytes = seed % 4 == 0 ? 40'000 : 12'000;
    some.replica.acceptance = seed % 3 == 0 ? 0.7 : 0;
    some.balancer.factor = seed % 5 == 0 ? 150 : 0;
    const std::vector<Session> sessions = random_sessions(seed);
    const Result result = simulate(sessions, linear(), some);
    ASSERT_NO_FATAL_FAILURE(expect_conserved(sessions, result)) << "seed " << seed;
    EXPECT_EQ(result.report.answered + result.report.rejected, std::ssize(result.outcomes));
    rejected += static_cast<int>(result.report.rejected);
    preemptions += result.report.preemptions;
  }
  EXPECT_GT(rejected, 0);
  EXPECT_GT(preemptions, 0U);
}

TEST(Simulation, IsThatOfItsSeed) {
  const std::vector<Session> sessions = random_sessions(1);
  SimulationOptions guessing = options(2);
  guessing.replica.acceptance = 0.7;
  const std::string first = json_line(simulate(sessions, linear(), guessing).report);
  EXPECT_EQ(json_line(simulate(sessions, linear(), guessing).report), first);
  guessing.seed = 2;
  EXPECT_NE(json_line(simulate(sessions, linear(), guessing).report), first);
}

TEST(Simulation, FindsPrefixesWhereTheConversationStays) {
  const std::vector<Session> sessions = random_sessions(2);
  SimulationOptions four = options(4);
  const double sticky = simulate(sessions, linear(), four).report.hit_rate;
  four.balancer.balance = Balance::round_robin;
  const double spread = simulate(sessions, linear(), four).report.hit_rate;
  EXPECT_GT(sticky, 0.99);
  EXPECT_LT(spread, 0.9);
}

TEST(Simulation, GuessesThatStandMakeAnswersFaster) {
  const std::vector<Session> sessions =
      trace_of(R"({"time": 0, "session": "a", "prompt_tokens": 9, "answer_tokens": 500})");
  SimulationOptions guessing = options();
  const double plain = simulate(sessions, linear(), guessing).outcomes[0].end;
  guessing.replica.acceptance = 0.9;
  const double guessed = simulate(sessions, linear(), guessing).outcomes[0].end;
  EXPECT_LT(guessed, 0.7 * plain);
}

TEST(Simulation, RejectsWhatNeverFits) {
  SimulationOptions small = options(2);
  small.replica.cache_bytes = 1024;
  const std::vector<Session> sessions =
      trace_of(R"({"time": 0, "session": "a", "prompt_tokens": 1025, "answer_tokens": 1}
{"time": 1, "session": "b", "prompt_tokens": 1000, "answer_tokens": 100})");
  const Result result = simulate(sessions, a_second_each(), small);
  EXPECT_TRUE(result.outcomes[0].rejected);
  EXPECT_EQ(result.outcomes[0].end, 0);
  EXPECT_TRUE(result.outcomes[1].rejected) << "it has grown until it filled the cache alone";
  EXPECT_EQ(result.outcomes[1].tokens, 25) << "up to row 1024 and the token behind it";
}

TEST(Simulation, AReplicaHoldsNothingInTheEnd) {
  const StepSeconds seconds = linear();
  Replica replica({.parallel = 4, .cache_bytes = 4000}, seconds, 1);
  std::mt19937 random(1);
  std::size_t ended = 0, submitted = 0;
  for (double now = 0; ended < 200; now += 0.01) {
    if (submitted < 200) {
      const int prompt = 1 + static_cast<int>(random() % 900);
      const Session session{.text = random() % 4};
      if (!replica.submit(++submitted, tokens_of(session, prompt + 1 + static_cast<int>(random() % 50)), prompt)) {
        EXPECT_GT(replica.requests(), 0);
      } else {
        ++ended;
      }
    }
    if (!replica.start_step(now)) continue;
    for (const Progress& progress : replica.finish_step()) ended += progress.ended ? 1 : 0;
  }
  EXPECT_EQ(ended, 200U);
  EXPECT_EQ(replica.requests(), 0);
  EXPECT_TRUE(replica.holds_nothing_but_prefixes());
  EXPECT_LE(replica.most_bytes(), 4000);
}

TEST(Percentiles, AreOfTheNearestRank) {
  std::vector<float> values = {4, 1, 3, 2};
  EXPECT_EQ(percentile(values, 0.5), 2);
  EXPECT_EQ(percentile(values, 0.51), 3);
  EXPECT_EQ(percentile(values, 0.99), 4);
  std::vector<float> none;
  EXPECT_EQ(percentile(none, 0.5), 0);
}

}  // namespace
}  // namespace glimt::simulation

#include "launch/ending.h"

#include <gmock/gmock.h>

#include <csignal>

namespace glimt::launch {

// So that gmock compares and prints them.
static bool operator==(const Ending::Order& a, const Ending::Order& b) {
  return a.rank == b.rank && a.signal == b.signal;
}
static void PrintTo(const Ending::Order& order, std::ostream* out) { *out << order.rank << ":" << order.signal; }

namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Order = Ending::Order;
using Time = Ending::Time;

constexpr Signal kKilled{SIGTERM, false};
constexpr Signal kCtrlC{SIGINT, true};
constexpr Time kStart = Time(seconds(1000));

HowEnded exited(int code) { return {code, 0}; }
HowEnded by(int signal) { return {0, signal}; }

Ending ending(int ranks, seconds drain = seconds(0)) {
  std::vector<std::string> names;
  for (int rank = 0; rank < ranks; ++rank) names.push_back("rank " + std::to_string(rank));
  return {names, {.grace = seconds(15), .drain = drain, .kill = seconds(5)}};
}

TEST(Ending, AllEndWell) {
  Ending it = ending(2);
  it.on_end(0, exited(0), kStart);
  EXPECT_FALSE(it.done());
  EXPECT_EQ(it.next(), kStart + seconds(15));
  it.on_end(1, exited(0), kStart + seconds(1));
  EXPECT_TRUE(it.done());
  EXPECT_EQ(it.next(), std::nullopt);
  EXPECT_EQ(it.status(), 0);
  EXPECT_THAT(it.messages(), IsEmpty());
  EXPECT_THAT(it.due(kStart + seconds(99)), IsEmpty());
}

TEST(Ending, TheFirstThatFailsIsToldAndIsTheStatus) {
  Ending it = ending(3);
  it.on_end(1, by(SIGKILL), kStart);
  EXPECT_THAT(it.messages(), ElementsAre("rank 1 was ended by signal 9 (Killed); the others end"));
  it.on_end(0, exited(1), kStart + seconds(1));
  EXPECT_THAT(it.messages(), ElementsAre("rank 0 exited with status 1"));
  it.on_end(2, exited(3), kStart + seconds(1));
  EXPECT_TRUE(it.done());
  EXPECT_EQ(it.status(), 137);
}

TEST(Ending, OthersThatStayAreToldToEndThenKilled) {
  Ending it = ending(3);
  it.on_end(1, exited(4), kStart);
  it.messages();
  EXPECT_THAT(it.due(kStart + seconds(14)), IsEmpty());
  EXPECT_THAT(it.due(kStart + seconds(15)), ElementsAre(Order{0, SIGTERM}, Order{2, SIGTERM}));
  EXPECT_THAT(it.messages(), ElementsAre("rank 0 still runs 15 s after rank 1 has ended, and is told to end",
                                         "rank 2 still runs 15 s after rank 1 has ended, and is told to end"));
  it.on_end(0, by(SIGTERM), kStart + seconds(16));
  EXPECT_THAT(it.messages(), IsEmpty()) << "it did as it was told";
  EXPECT_THAT(it.due(kStart + seconds(19)), IsEmpty());
  EXPECT_THAT(it.due(kStart + seconds(20)), ElementsAre(Order{2, SIGKILL}));
  it.on_end(2, by(SIGKILL), kStart + seconds(20));
  EXPECT_EQ(it.status(), 4);
}

TEST(Ending, RankZeroThatDoesNotEndAfterAnotherOneIsAFailure) {
  Ending it = ending(2);
  it.on_end(1, exited(0), kStart);
  EXPECT_THAT(it.due(kStart + seconds(15)), ElementsAre(Order{0, SIGTERM}));
  it.on_end(0, exited(0), kStart + seconds(16));
  EXPECT_EQ(it.status(), 1);
}

TEST(Ending, AFollowerThatDoesNotEndAfterRankZeroIsNone) {
  Ending it = ending(2);
  it.on_end(0, exited(0), kStart);
  EXPECT_THAT(it.due(kStart + seconds(15)), ElementsAre(Order{1, SIGTERM}));
  it.on_end(1, by(SIGTERM), kStart + seconds(16));
  EXPECT_EQ(it.status(), 0);
}

TEST(Ending, ASignalEndsAllAtOnceWhereNothingIsToBeFinished) {
  for (const Signal signal : {kKilled, kCtrlC}) {
    Ending it = ending(2);
    it.on_signal(signal, kStart);
    EXPECT_THAT(it.due(kStart), ElementsAre(Order{0, SIGTERM}, Order{1, SIGTERM}));
    it.on_end(0, by(SIGTERM), kStart);
    it.on_end(1, exited(1), kStart);
    EXPECT_THAT(it.messages(), IsEmpty());
    EXPECT_EQ(it.status(), 128 + signal.number);
  }
}

TEST(Ending, AServerFinishesItsAnswersWithTheHelpOfTheOthers) {
  Ending it = ending(2, seconds(35));
  it.on_signal(kKilled, kStart);
  EXPECT_THAT(it.due(kStart), ElementsAre(Order{0, SIGTERM}));
  EXPECT_EQ(it.next(), kStart + seconds(35));
  it.on_end(0, exited(0), kStart + seconds(20));
  EXPECT_THAT(it.due(kStart + seconds(20)), ElementsAre(Order{1, SIGTERM}));
  it.on_end(1, by(SIGTERM), kStart + seconds(20));
  EXPECT_EQ(it.status(), 0);
}

TEST(Ending, AServerThatGotTheKeyFromTheTerminalIsNotToldTwice) {
  Ending it = ending(2, seconds(35));
  it.on_signal(kCtrlC, kStart);
  EXPECT_THAT(it.due(kStart), IsEmpty());
  EXPECT_THAT(it.due(kStart + seconds(35)), ElementsAre(Order{0, SIGTERM}, Order{1, SIGTERM}));
}

TEST(Ending, ASecondSignalKills) {
  Ending it = ending(2, seconds(35));
  it.on_signal(kCtrlC, kStart);
  it.on_signal(kCtrlC, kStart + seconds(1));
  EXPECT_THAT(it.due(kStart + seconds(1)), ElementsAre(Order{0, SIGKILL}, Order{1, SIGKILL}));
  it.on_end(0, by(SIGKILL), kStart + seconds(1));
  it.on_end(1, by(SIGKILL), kStart + seconds(1));
  EXPECT_EQ(it.status(), 130);
}

TEST(Ending, ASignalHurriesOthersThatWereWaitedFor) {
  Ending it = ending(2, seconds(35));
  it.on_end(1, exited(2), kStart);
  it.on_signal(kKilled, kStart + seconds(1));
  EXPECT_THAT(it.due(kStart + seconds(1)), ElementsAre(Order{0, SIGTERM}));
  it.on_signal(kKilled, kStart + seconds(2));
  EXPECT_THAT(it.due(kStart + seconds(2)), ElementsAre(Order{0, SIGKILL}));
  it.on_end(0, by(SIGKILL), kStart + seconds(2));
  EXPECT_EQ(it.status(), 2) << "what had failed before the signal";
}

}  // namespace
}  // namespace glimt::launch

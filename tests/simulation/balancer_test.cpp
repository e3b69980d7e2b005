#include "simulation/balancer.h"

#include <gmock/gmock.h>

namespace glimt::simulation {
namespace {

using ::testing::ElementsAre;

TEST(Balancer, RoundRobinTakesEachInTurnAndAnotherOneAfterIt) {
  Balancer balancer({.balance = Balance::round_robin}, 3);
  const std::vector<int> idle(3);
  EXPECT_THAT(balancer.order(7, idle), ElementsAre(0, 1));
  EXPECT_THAT(balancer.order(7, idle), ElementsAre(1, 2));
  EXPECT_THAT(balancer.order(7, idle), ElementsAre(2, 0));
  EXPECT_THAT(balancer.order(7, idle), ElementsAre(0, 1));
}

TEST(Balancer, OneReplicaIsTheOnlyChoice) { EXPECT_THAT(Balancer({}, 1).order(7, {100}), ElementsAre(0)); }

TEST(Balancer, AHashKeepsAConversationAndSharesThemOut) {
  Balancer balancer({}, 4);
  std::vector<int> shares(4);
  for (std::uint64_t conversation = 0; conversation < 4000; ++conversation) {
    const std::vector<int> order = balancer.order(conversation, {0, 0, 0, 0});
    EXPECT_EQ(balancer.order(conversation, {9, 9, 9, 0}), order) << "however many run";
    ASSERT_EQ(order.size(), 2U);
    ASSERT_NE(order[0], order[1]);
    ++shares[static_cast<std::size_t>(order[0])];
  }
  for (const int share : shares) EXPECT_NEAR(share, 1000, 150);
}

TEST(Balancer, OneReplicaMoreMovesOnlyItsShare) {
  Balancer four({}, 4), five({}, 5);
  int moved = 0;
  for (std::uint64_t conversation = 0; conversation < 4000; ++conversation) {
    const int before = four.order(conversation, std::vector<int>(4)).front();
    const int after = five.order(conversation, std::vector<int>(5)).front();
    if (after == before) continue;
    EXPECT_EQ(after, 4);
    ++moved;
  }
  EXPECT_NEAR(moved, 800, 150);
}

TEST(Balancer, AFactorBoundsTheShareOfARequestsReplica) {
  Balancer free({}, 4), bounded({.factor = 150}, 4);
  for (std::uint64_t conversation = 0; conversation < 100; ++conversation) {
    const int home = free.order(conversation, std::vector<int>(4)).front();
    EXPECT_EQ(bounded.order(conversation, std::vector<int>(4, 10)).front(), home) << "when all are equal";
    std::vector<int> running(4, 10);
    running[static_cast<std::size_t>(home)] = 40;  // of 70; 150 % of the mean are 26
    EXPECT_NE(bounded.order(conversation, running).front(), home);
  }
}

}  // namespace
}  // namespace glimt::simulation

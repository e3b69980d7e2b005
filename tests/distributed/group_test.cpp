// Ranks as threads of this process. What the death of a process does is tested with processes (tests/e2e).
#include "distributed/group.h"

#include "base/error.h"
#include "base/throws.h"
#include "distributed/ranks_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const std::optional<Bytes>& bytes) {
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "nothing";
}

GroupOptions quick() {
  GroupOptions options;
  options.ranks.step_limit = 500ms;
  options.patience = 5s;
  return options;
}

// Runs `rank` as each rank, in threads, and returns what each threw; empty for those that threw nothing.
std::vector<std::string> run_ranks(int size, const std::function<void(const Place&)>& rank) {
  const std::vector<Address> addresses = local_addresses(size);
  std::vector<std::string> thrown(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      try {
        rank({r, addresses});
      } catch (const std::exception& error) {
        thrown[static_cast<std::size_t>(r)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

TEST(Group, CarriesMessagesBetweenAnyTwoRanks) {
  const auto thrown = run_ranks(4, [](const Place& place) {
    Group group(place, {}, quick());
    for (int to = 0; to < 4; ++to) {
      if (to != place.rank) group.send(to, 7, bytes_of(std::to_string(place.rank) + std::to_string(to)));
    }
    for (int from = 0; from < 4; ++from) {
      if (from == place.rank) continue;
      EXPECT_EQ(text_of(group.receive(from, 7)), std::to_string(from) + std::to_string(place.rank));
    }
  });
  for (const std::string& what : thrown) EXPECT_EQ(what, "");
}

// Both sides send more than the network holds before either receives.
TEST(Group, TakesWhatIsSentBeforeItIsAskedFor) {
  GroupOptions options = quick();
  options.ranks.step_limit = 30s;  // a sanitizer takes long over so many bytes
  const auto thrown = run_ranks(2, [&](const Place& place) {
    Group group(place, {}, options);
    const Bytes much(std::size_t{64} << 20, std::byte{5});
    group.send(1 - place.rank, 1, much);
    EXPECT_EQ(*group.receive(1 - place.rank, 1), much);
    EXPECT_EQ(group.traffic().bytes, much.size());
  });
  for (const std::string& what : thrown) EXPECT_EQ(what, "");
}

TEST(Group, ARankThatLeavesIsNoFault) {
  const auto thrown = run_ranks(3, [](const Place& place) {
    Group group(place, {}, quick());
    if (place.rank == 0) return group.send(1, 1, bytes_of("last"));
    if (place.rank == 1) {
      EXPECT_EQ(text_of(group.receive(0, 1)), "last");
    }
    EXPECT_EQ(group.receive(0, 1), std::nullopt);
    EXPECT_EQ(group.failure(), std::nullopt);
  });
  for (const std::string& what : thrown) EXPECT_EQ(what, "");
}

TEST(Group, AFaultEndsItOnAllRanks) {
  const auto thrown = run_ranks(3, [](const Place& place) {
    Group group(place, {}, quick());
    if (place.rank == 2) {
      group.fail("rank 2: no memory");
      return;
    }
    static_cast<void>(group.receive(1 - place.rank, 1));  // which the other one never sends
  });
  EXPECT_EQ(thrown[0], "ranks: rank 2: no memory");
  EXPECT_EQ(thrown[1], "ranks: rank 2: no memory");
}

TEST(Group, AMessageOutOfOrderBreaksIt) {
  const auto thrown = run_ranks(2, [](const Place& place) {
    Group group(place, {}, quick());
    if (place.rank == 0) group.send(1, 1, {});
    static_cast<void>(group.receive(1 - place.rank, 2));
  });
  EXPECT_NE(thrown[0].find("sent message 1, and 2 was due"), std::string::npos) << thrown[0];
  EXPECT_NE(thrown[1].find("sent message 1, and 2 was due"), std::string::npos) << thrown[1];
}

TEST(Group, TellsHowFarTheOthersAre) {
  const auto thrown = run_ranks(2, [](const Place& place) {
    Group group(place, {}, quick());
    group.show([&place] { return std::uint64_t{10} + static_cast<std::uint64_t>(place.rank); });
    const auto deadline = Clock::now() + 5s;
    while (group.progress_of_others() == 0 && Clock::now() < deadline) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(group.progress_of_others(), std::uint64_t{11} - static_cast<std::uint64_t>(place.rank));
    group.send(1 - place.rank, 1, {});
    static_cast<void>(group.receive(1 - place.rank, 1));
  });
  for (const std::string& what : thrown) EXPECT_EQ(what, "");
}

TEST(Group, CallsWhoCanEndTheProcessIfItStaysBroken) {
  std::string said;
  const auto thrown = run_ranks(2, [&said](const Place& place) {
    GroupOptions options = quick();
    options.ranks.grace = 50ms;
    if (place.rank == 0) options.ranks.when_broken = [&said](const std::string& why) { said = why; };
    Group group(place, {}, options);
    if (place.rank == 1) return group.fail("rank 1: enough");
    std::this_thread::sleep_for(500ms);
  });
  EXPECT_EQ(said, "rank 1: enough");
}

// ---- sums ----

// Values whose float sum depends on the order: large ones of both signs, and small ones.
std::vector<float> part_of(int rank, std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(rank) + 1);
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(static_cast<int>(random() % 2001) - 1000) * std::exp2(static_cast<float>(random() % 30));
  }
  return values;
}

std::vector<float> sum_in_order(const std::vector<int>& ranks, std::size_t count) {
  std::vector<float> sum = part_of(ranks.front(), count);
  for (std::size_t i = 1; i < ranks.size(); ++i) {
    const std::vector<float> next = part_of(ranks[i], count);
    for (std::size_t j = 0; j < count; ++j) sum[j] += next[j];
  }
  return sum;
}

TEST(AllSum, AddsInTheOrderOfTheRanksOnEachOfThem) {
  constexpr std::size_t kMost = 300'000;
  for (const int size : {2, 3, 4}) {
    std::vector<int> order(static_cast<std::size_t>(size));
    std::iota(order.begin(), order.end(), 0);
    const auto thrown = run_ranks(size, [&](const Place& place) {
      Group group(place, {}, quick());
      std::uint64_t tag = 0;
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2048}, kMost}) {
        std::vector<float> values = part_of(place.rank, count);
        group.all_sum(values, ++tag);
        EXPECT_EQ(values, sum_in_order(order, count)) << count << " values of " << size << " ranks";
      }
    });
    for (const std::string& what : thrown) EXPECT_EQ(what, "");
  }
  EXPECT_NE(sum_in_order({0, 1, 2}, kMost), sum_in_order({0, 2, 1}, kMost)) << "the values show the order";
  EXPECT_NE(sum_in_order({0, 1, 2, 3}, kMost), sum_in_order({3, 2, 1, 0}, kMost));
}

TEST(AllSum, KeepsItsPlaceAmongMessages) {
  const auto thrown = run_ranks(3, [](const Place& place) {
    Group group(place, {}, quick());
    for (int i = 0; i < 50; ++i) {
      const auto tag = static_cast<std::uint64_t>(i);
      if (place.rank == 0) {
        for (const int to : {1, 2}) group.send(to, 1000 + tag, bytes_of("plan"));
      } else {
        EXPECT_EQ(text_of(group.receive(0, 1000 + tag)), "plan");
      }
      std::vector<float> values(7, static_cast<float>(place.rank + i));
      group.all_sum(values, tag);
      EXPECT_EQ(values, std::vector<float>(7, static_cast<float>(3 * i + 3)));
    }
  });
  for (const std::string& what : thrown) EXPECT_EQ(what, "");
}

TEST(AllSum, ARankThatLeavesInTheMiddleBreaksTheOthers) {
  const auto thrown = run_ranks(3, [](const Place& place) {
    Group group(place, {}, quick());
    if (place.rank == 2) {
      std::this_thread::sleep_for(50ms);  // what the others send has arrived
      return;
    }
    std::vector<float> values(5, 1.0f);
    group.all_sum(values, 1);
  });
  for (const int rank : {0, 1}) {
    const std::string& what = thrown[static_cast<std::size_t>(rank)];
    EXPECT_NE(what.find("rank 2"), std::string::npos) << what;
    EXPECT_NE(what.find("has left in the middle of a sum"), std::string::npos) << what;
  }
}

TEST(AllSum, RanksThatDisagreeAreNamed) {
  const auto sizes = run_ranks(2, [](const Place& place) {
    Group group(place, {}, quick());
    std::vector<float> values(place.rank == 0 ? 5 : 6, 1.0f);
    group.all_sum(values, 1);
  });
  EXPECT_THAT(sizes, testing::Each(testing::HasSubstr(" bytes for a sum of "))) << "whoever sees it first tells both";
  const auto tags = run_ranks(2, [](const Place& place) {
    Group group(place, {}, quick());
    std::vector<float> values(5, 1.0f);
    group.all_sum(values, static_cast<std::uint64_t>(place.rank));
  });
  EXPECT_THAT(tags, testing::Each(testing::HasSubstr("was due")));
}

TEST(AllSum, EndsWhereAFaultIsHeardOf) {
  const auto thrown = run_ranks(3, [](const Place& place) {
    Group group(place, {}, quick());
    if (place.rank == 1) return group.fail("rank 1: no memory");
    std::vector<float> values(5, 1.0f);
    group.all_sum(values, 1);
  });
  EXPECT_EQ(thrown[0], "ranks: rank 1: no memory");
  EXPECT_EQ(thrown[2], "ranks: rank 1: no memory");
}

// ---- the start ----

TEST(Start, NamesTheRankAndWhatDiffers) {
  const auto thrown = run_ranks(2, [](const Place& place) {
    const Group group(place, {"", {{"version", "1"}, {"weights", place.rank == 0 ? "abc" : "def"}}}, quick());
  });
  EXPECT_NE(thrown[0].find("rank 1"), std::string::npos) << thrown[0];
  EXPECT_NE(thrown[0].find("its weights differs: rank 0 has 'abc', this one 'def'"), std::string::npos) << thrown[0];
  EXPECT_NE(thrown[1].find("its weights differs: rank 1 has 'def', this one 'abc'"), std::string::npos) << thrown[1];
}

TEST(Start, RanksOfAnotherLaunchAreRefused) {
  const auto thrown = run_ranks(2, [](const Place& place) {
    const Group group(place, {std::to_string(place.rank), {}}, quick());
  });
  EXPECT_NE(thrown[0].find("is of another launch"), std::string::npos) << thrown[0];
  EXPECT_EQ(thrown[0].find("'0'"), std::string::npos) << "the token is secret";
}

// What a rank of the next launch, or of another version, is told.
TEST(Start, TheTokenIsToldOnlyToWhoKnowsIt) {
  const std::vector<Address> addresses = local_addresses(2);
  for (const std::uint32_t protocol : {1u, 2u}) {
    std::string told;
    std::thread other([&] {
      Socket socket;
      while (socket.empty()) socket = Socket::connect(addresses[0], Clock::now() + 1s);
      MessageWriter facts;
      facts.put(std::string("number of ranks")).put(std::string("2"));
      facts.put(std::string("launch token")).put(std::string("another"));
      struct {
        char magic[8] = {'G', 'L', 'I', 'M', 'T', 'R', 'N', 'K'};
        std::uint32_t protocol, rank = 1;
        std::uint64_t size;
      } opening{.protocol = protocol, .size = facts.bytes().size()};
      static_cast<void>(
          socket.send_all(std::as_bytes(std::span(&opening, 1)), facts.bytes(), until(Clock::now() + 1s)));
      Bytes byte(1);
      while (socket.receive_all(byte, until(Clock::now() + 5s)) == Socket::Result::done) {
        told += static_cast<char>(byte[0]);
      }
    });
    EXPECT_ERROR((Group({0, addresses}, {"a secret", {}}, quick())), ErrorKind::internal,
                 testing::HasSubstr(protocol == 1 ? "is of another launch" : "version of the protocol"));
    other.join();
    EXPECT_THAT(told, testing::HasSubstr("launch token"));
    EXPECT_THAT(told, testing::Not(testing::HasSubstr("a secret")));
  }
}

TEST(Start, ARankThatDoesNotComeEndsIt) {
  const std::vector<Address> addresses = local_addresses(2);
  GroupOptions options = quick();
  options.patience = 300ms;
  const auto start = Clock::now();
  EXPECT_ERROR((Group({0, addresses}, {}, options)), ErrorKind::internal, testing::HasSubstr("has not come"));
  EXPECT_ERROR((Group({1, addresses}, {}, options)), ErrorKind::internal, testing::HasSubstr("has not come"));
  EXPECT_LT(Clock::now() - start, 5s);
}

TEST(Start, AStrangerEndsIt) {
  const std::vector<Address> addresses = local_addresses(2);
  std::thread stranger([&] {
    Socket socket;
    while (socket.empty()) socket = Socket::connect(addresses[0], Clock::now() + 1s);
    const Bytes text = bytes_of("GET / HTTP/1.1\r\nHost: somewhere.example\r\n\r\n");
    static_cast<void>(socket.send_all(text, until(Clock::now() + 1s)));
    Bytes answer(1);
    EXPECT_NE(socket.receive_all(answer, until(Clock::now() + 5s)), Socket::Result::done) << "it is told something";
  });
  EXPECT_ERROR((Group({0, addresses}, {}, quick())), ErrorKind::internal,
               testing::HasSubstr("is no rank of this launch"));
  stranger.join();
}

TEST(Start, AnAddressOfNobodyIsRefused) {
  EXPECT_ERROR((Group({0, {{"192.0.2.1", "5000"}, {"127.0.0.1", "5001"}}}, {}, quick())), ErrorKind::invalid_request,
               testing::HasSubstr("192.0.2.1:5000: cannot be listened on"));
}

}  // namespace
}  // namespace glimt

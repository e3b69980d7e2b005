#include "grammar/grammar_cache.h"

#include "base/throws.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace glimt::test {
namespace {

TEST(GrammarCache, EachSourceOfEachKindIsItsOwn) {
  GrammarCache cache(demo_environment());
  const json::array tools =
      parse_json(R"([{"name": "f", "parameters": {}}, {"name": "g", "parameters": {}}])", "tools").as_array();
  const std::string f = "<tool_call>f</tool_call>", g = "<tool_call>g</tool_call>";
  for (std::size_t round = 0; round < 2; ++round) {
    EXPECT_TRUE(admits(cache.regex("o"), "o"));
    EXPECT_FALSE(admits(cache.regex("o"), "{}"));
    EXPECT_TRUE(admits(cache.json_object(), "{}"));
    EXPECT_TRUE(admits(cache.json_schema({{"const", 1}}), "1"));
    EXPECT_TRUE(admits(cache.json_schema({{"const", 2}}), "2"));
    EXPECT_FALSE(admits(cache.json_schema({{"const", 2}}), "1"));
    EXPECT_TRUE(admits(cache.lark("start: \"x\""), "x"));
    EXPECT_TRUE(admits(cache.regex("start: \"x\""), "start: \"x\""));
    EXPECT_TRUE(admits(cache.tool_calls(tools), f + g));
    EXPECT_FALSE(admits(cache.tool_calls(tools, {.allowed = {}, .parallel = false}), f + g));
    EXPECT_TRUE(admits(cache.tool_calls(tools, {.allowed = {"g"}}), g));
    EXPECT_FALSE(admits(cache.tool_calls(tools, {.allowed = {"f"}}), g));
    EXPECT_EQ(cache.stats().misses, 10U);
  }
  EXPECT_EQ(cache.stats().hits, 14U);
  EXPECT_EQ(cache.stats().entries, 10U);
}

TEST(GrammarCache, KeepsThoseUsedLastWithinItsLimits) {
  GrammarCache few(demo_environment(), {.entries = 2});
  few.regex("a");
  few.regex("b");
  few.regex("a");
  few.regex("c");  // instead of b
  EXPECT_EQ(few.stats().misses, 3U);
  few.regex("a");
  few.regex("c");
  EXPECT_EQ(few.stats().misses, 3U);
  few.regex("b");
  EXPECT_EQ(few.stats().misses, 4U);
  EXPECT_EQ(few.stats().entries, 2U);

  GrammarCache small(demo_environment(), {.bytes = 20});
  const std::string long_one(20, 'x'), half(9, 'y'), other(9, 'z');
  EXPECT_TRUE(admits(small.regex(long_one), long_one));  // with its kind, longer than all
  EXPECT_EQ(small.stats().entries, 0U);
  small.regex(half);
  small.regex(other);
  EXPECT_EQ(small.stats().bytes, 20U);
  small.regex("w");
  EXPECT_EQ(small.stats().entries, 2U);
  EXPECT_EQ(small.stats().bytes, 12U);
}

TEST(GrammarCache, AnErrorIsOneEachTime) {
  GrammarCache cache(demo_environment());
  for (int round = 0; round < 2; ++round) {
    EXPECT_ERROR(cache.regex("("), ErrorKind::invalid_request, testing::HasSubstr("regex"));
    EXPECT_ERROR(cache.json_schema({{"type", "nonsense"}}), ErrorKind::invalid_request, testing::HasSubstr("schema"));
  }
  EXPECT_EQ(cache.stats().entries, 0U);
}

TEST(GrammarCache, ThreadsMayAskAtOnce) {
  GrammarCache cache(demo_environment(), {.entries = 3});
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 50; ++i) {
        const std::string text(1 + (i * (t + 1)) % 5, 'a');
        const Grammar grammar = cache.regex(text);
        if (!admits(grammar, text) || admits(grammar, text + "a")) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const GrammarCache::Stats stats = cache.stats();
  EXPECT_EQ(stats.hits + stats.misses, 200U);
  EXPECT_LE(stats.entries, 3U);
}

}  // namespace
}  // namespace glimt::test

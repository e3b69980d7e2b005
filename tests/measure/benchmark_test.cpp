#include "measure/benchmark.h"

#include "base/throws.h"
#include "model/checkpoint.h"

namespace glimt {
namespace {

using testing::HasSubstr;

std::vector<BenchmarkResult> run(const BenchmarkOptions& options) {
  std::vector<BenchmarkResult> results;
  run_benchmark(golden_folder("base_affine4_g64"), options,
                [&](const BenchmarkResult& result) { results.push_back(result); });
  return results;
}

TEST(Benchmark, ReportsPrefillAndDecodeWithTheMedianBetweenTheExtremes) {
  const std::vector<BenchmarkResult> results = run({.prompt = 9, .generate = 3, .depth = 5, .repeat = 4, .chunk = 4});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].test, "pp9");
  EXPECT_EQ(results[1].test, "tg3");
  EXPECT_FALSE(results[0].is_decode);
  EXPECT_TRUE(results[1].is_decode);
  for (const BenchmarkResult& result : results) {
    EXPECT_EQ(result.depth, 5);
    EXPECT_GT(result.slowest, 0);
    EXPECT_LE(result.slowest, result.tokens_per_second);
    EXPECT_LE(result.tokens_per_second, result.fastest);
  }
}

TEST(Benchmark, LeavesOutATestOfNoTokens) {
  EXPECT_EQ(run({.prompt = 0, .generate = 2, .repeat = 1}).size(), 1u);
  EXPECT_EQ(run({.prompt = 2, .generate = 0, .repeat = 1}).size(), 1u);
  EXPECT_TRUE(run({.prompt = 0, .generate = 0, .repeat = 1}).empty());
}

TEST(Benchmark, ImpossibleOptionsAreNamed) {
  const auto refused = [](const BenchmarkOptions& options, const char* words) {
    EXPECT_ERROR(run(options), ErrorKind::invalid_request, HasSubstr(words));
  };
  refused({.prompt = 500, .generate = 1, .depth = 13}, "513");
  refused({.prompt = 1, .generate = 500, .depth = 13}, "513");
  refused({.prompt = 2147483647, .depth = 2147483647}, "context");
  refused({.prompt = -1}, "prompt");
  refused({.generate = -1}, "generate");
  refused({.depth = -1}, "depth");
  refused({.repeat = 0}, "repeat");
  refused({.chunk = -1}, "chunk");
  EXPECT_ERROR(run_benchmark("/nonexistent", {}, {}), ErrorKind::not_found, HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace glimt

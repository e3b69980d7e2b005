#include "measure/draft_benchmark.h"

#include "base/throws.h"
#include "model/checkpoint.h"

namespace glimt {
namespace {

using testing::HasSubstr;

DraftBenchmarkResult run(const DraftBenchmarkOptions& options) {
  return run_draft_benchmark(golden_folder("mtp"), options);
}

TEST(DraftBenchmark, GuessesStandAsOftenAsAsked) {
  const DraftBenchmarkResult half = run({.acceptance = 0.5, .generate = 200, .repeat = 5});
  EXPECT_GT(half.plain, 0);
  EXPECT_GT(half.drafts, 0);
  EXPECT_GT(half.gain, 0);
  EXPECT_LE(half.accepted, half.drafted);

  const DraftBenchmarkResult never = run({.acceptance = 0, .generate = 100, .depth = 9, .repeat = 2});
  EXPECT_GT(never.drafted, 0);  // it begins with hope
  EXPECT_EQ(never.accepted, 0);
  const DraftBenchmarkResult always = run({.acceptance = 1, .generate = 100, .repeat = 2});
  EXPECT_GE(always.accepted, always.drafted - 1e-9);
}

TEST(DraftBenchmark, ImpossibleOptionsAreNamed) {
  const auto refused = [](const DraftBenchmarkOptions& options, const char* words) {
    EXPECT_ERROR(run(options), ErrorKind::invalid_request, HasSubstr(words));
  };
  refused({.acceptance = 1.5}, "acceptance");
  refused({.acceptance = -0.1}, "acceptance");
  refused({.generate = 1}, "generate");
  refused({.depth = -1}, "depth");
  refused({.repeat = 0}, "repeat");
  refused({.generate = 500, .depth = 13}, "513");
  EXPECT_ERROR(run_draft_benchmark(golden_folder("base"), {}), ErrorKind::invalid_request, HasSubstr("MTP"));
}

}  // namespace
}  // namespace glimt

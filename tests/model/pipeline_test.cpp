// A model over several ranks computes the bits of one. (The golden and the engine tests run over ranks as well:
// GLIMT_TEST_RANKS.)
#include "base/throws.h"
#include "kernels/plain_ops.h"
#include "model/checkpoint.h"
#include "model/local_ranks.h"
#include "model/stage_messages.h"
#include "model/stage_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

LoadedModel load_over(int ranks, const std::string& name, const LoadOptions& options) {
  const LocalRanks::Load local(golden_folder(name), options, ranks);
  return load_model(golden_folder(name), options);
}

bool same_bits(const mx::array& a, const mx::array& b) {
  return a.dtype() == b.dtype() && mx::array_equal(a, b).item<bool>();
}

class Pipeline : public testing::TestWithParam<const char*> {};

TEST_P(Pipeline, ComputesTheBitsOfOneMachine) {
  const mx::array ids = golden_array(GetParam(), "input_ids");
  for (const bool exact : {true, false}) {
    const LoadedModel whole = load_model(golden_folder(GetParam()), {.exact = exact});
    for (const int ranks : {2, 3}) {
      SCOPED_TRACE(std::to_string(ranks) + (exact ? " ranks, exact" : " ranks"));
      const LoadedModel spread = load_over(ranks, GetParam(), {.exact = exact});
      EXPECT_LT(spread.weight_bytes, whole.weight_bytes);
      for (const int chunk : {0, 7, 1}) {
        const mx::array hidden = hidden_for(*spread.model, ids, chunk);
        EXPECT_TRUE(same_bits(hidden, hidden_for(*whole.model, ids, chunk))) << "chunks of " << chunk;
        EXPECT_TRUE(same_bits(spread.model->unembed(hidden), whole.model->unembed(hidden)));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Pipeline,
                         testing::Values("base", "base_affine4_g64", "bf16", "mtp", "two_dense", "yarn"),
                         [](const auto& test) { return std::string(test.param); });

TEST(PipelineOps, PlainMlxComputesTheBitsOfOneMachineToo) {
  const LoadOptions options{.ops = &kernels::plain_ops()};
  const LoadedModel whole = load_model(golden_folder("base"), options), spread = load_over(2, "base", options);
  EXPECT_TRUE(same_bits(logits_for(*spread.model), logits_for(*whole.model)));
}

TEST(PipelineObserver, SeesTheLayersOfAllRanks) {
  const LoadedModel spread = load_over(3, "base", {.exact = true});
  expect_golden(*spread.model, "base");  // which names intermediate values of every layer
}

TEST(PipelineRows, AreCopiedReadAndWrittenOnAllRanks) {
  const LoadedModel whole = load_model(golden_folder("mtp"), {}), spread = load_over(3, "mtp", {});
  const mx::array ids = mx::flatten(mx::slice(golden_array("mtp", "input_ids"), {0, 0}, {1, 20}));
  const auto block_of = [&](const CausalLm& model, LatentPool& pool, int block) {
    const kernels::Step step{{0, 20, {0}, 0}};
    mx::eval(model.forward(ids, pool, std::make_shared<const kernels::Step>(step)));
    pool.copy_rows(0, 1, 13);
    std::vector<std::byte> bytes(pool.shape().block_bytes());
    pool.read_block(block, bytes);
    return bytes;
  };
  LatentPool one(whole.model->cache_shape(), 3), several(spread.model->cache_shape(), 3);
  EXPECT_EQ(several.shape().block_bytes(), one.shape().block_bytes());
  const std::vector<std::byte> copied = block_of(*spread.model, several, 1);
  EXPECT_EQ(copied, block_of(*whole.model, one, 1)) << "a session file is the same";
  several.write_block(2, copied);
  std::vector<std::byte> again(copied.size());
  several.read_block(2, again);
  EXPECT_EQ(again, copied);
}

TEST(PipelineLoad, LayersThatCannotBeCutSoAreRefused) {
  LoadOptions options;
  options.ranks.layers = {1, 2};
  EXPECT_ERROR(load_model(golden_folder("base"), options), ErrorKind::invalid_request, HasSubstr("computes alone"));
}

// ---- the cut ----

TEST(StagePlan, TheLargestPartIsAsSmallAsItCanBe) {
  EXPECT_THAT(cut_evenly({1, 1, 1, 1}, 0, 2).layers, ElementsAre(2, 2));
  EXPECT_THAT(cut_evenly({1, 1, 1, 1}, 2, 2).layers, ElementsAre(1, 3));
  EXPECT_THAT(cut_evenly({9, 1, 1, 1}, 0, 2).layers, ElementsAre(1, 3));
  EXPECT_THAT(cut_evenly({1, 1, 1}, 100, 3).layers, ElementsAre(1, 1, 1));
  EXPECT_THAT(cut_evenly(std::vector<std::size_t>(47, 10), 20, 2).layers, ElementsAre(23, 24));
  EXPECT_ERROR(cut_evenly({1, 1}, 0, 3), ErrorKind::invalid_request, HasSubstr("too many"));
}

TEST(StagePlan, WhatIsToldMustFit) {
  const StagePlan plan = cut_as_told({24, 23}, 47, 2);
  EXPECT_EQ(plan.first(1), 24);
  EXPECT_EQ(plan.count(1), 23);
  for (const std::vector<int>& wrong : {std::vector<int>{47}, {24, 24}, {47, 0}, {48, -1}, {20, 20, 7}}) {
    EXPECT_ERROR(cut_as_told(wrong, 47, 2), ErrorKind::invalid_request, HasSubstr("--layers"));
  }
}

TEST(CutStep, KeepsTheRowsAndTheirOrder) {
  const auto step =
      std::make_shared<const kernels::Step>(kernels::Step{{0, 5, {3}, 0}, {127, 4, {7, 8}, 1}, {9, 1, {4}, 0}});
  EXPECT_EQ(cut_step(step, 10).front(), step) << "what fits is not copied";
  const std::vector<kernels::StepPtr> pieces = cut_step(step, 4);
  ASSERT_EQ(pieces.size(), 3u);
  std::vector<std::vector<int>> seen;
  for (const kernels::StepPtr& piece : pieces) {
    for (const kernels::StepSequence& s : *piece) seen.push_back({s.position, s.length, s.blocks.front(), s.first_key});
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre(0, 4, 3, 0), ElementsAre(4, 1, 3, 0), ElementsAre(127, 3, 7, 1),
                                ElementsAre(130, 1, 7, 1), ElementsAre(9, 1, 4, 0)));
}

}  // namespace
}  // namespace glimt

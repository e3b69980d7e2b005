// Every naming of tensors is brought to one.
#include "checkpoint/layout.h"

#include "base/throws.h"

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kMlp = "model.layers.1.mlp.";

TEST(Layout, OurNamesStayAsTheyAre) {
  for (const std::string& name :
       {std::string("model.embed_tokens.weight"), kMlp + "gate.weight", kMlp + "gate.e_score_correction_bias",
        kMlp + "experts.3.gate_proj.weight", kMlp + "experts.3.gate_proj.scales", kMlp + "switch_mlp.down_proj.biases",
        kMlp + "shared_experts.down_proj.weight", std::string("model.layers.0.self_attn.o_proj.bias")}) {
    EXPECT_EQ(canonical_name(name), name);
  }
}

TEST(Layout, OllamasEndingsAndStacksAreTranslated) {
  EXPECT_EQ(canonical_name("lm_head.weight.scale"), "lm_head.scales");
  EXPECT_EQ(canonical_name("lm_head.weight_scale"), "lm_head.scales");
  EXPECT_EQ(canonical_name("lm_head.weight.bias"), "lm_head.biases");
  EXPECT_EQ(canonical_name("lm_head.weight_qbias"), "lm_head.biases");
  EXPECT_EQ(canonical_name("lm_head.weight.global_scale"), "lm_head.global_scale");
  EXPECT_EQ(canonical_name("lm_head.weight_scale_2"), "lm_head.global_scale");
  EXPECT_EQ(canonical_name(kMlp + "experts.up_proj.weight"), kMlp + "switch_mlp.up_proj.weight");
  EXPECT_EQ(canonical_name(kMlp + "experts.up_proj.weight.scale"), kMlp + "switch_mlp.up_proj.scales");
  EXPECT_EQ(canonical_name(kMlp + "experts.3.up_proj.weight_scale"), kMlp + "experts.3.up_proj.scales");
}

TEST(Layout, ParametersOfFusedExpertsHaveNoEnding) {
  EXPECT_EQ(canonical_name(kMlp + "experts.down_proj"), kMlp + "switch_mlp.down_proj.weight");
  EXPECT_EQ(canonical_name(kMlp + "shared_experts.down_proj"), kMlp + "shared_experts.down_proj");
}

// [2 experts, 2 * 3 rows, 5 columns] of bfloat16 at byte 100: gate 0, up 0, gate 1, up 1 of 30 bytes each.
TEST(Layout, FusedGateAndUpAreSplitIntoTheirExpertsRows) {
  const TensorInfo info{Dtype::bf16, {2, 6, 5}, 100, 120};
  for (const std::string& module : {kMlp + "experts.gate_up_proj", kMlp + "switch_mlp.gate_up_proj"}) {
    for (const auto& [theirs, ours] : {std::pair("", ".weight"), std::pair(".weight", ".weight"),
                                       std::pair(".scales", ".scales"), std::pair(".weight.scale", ".scales")}) {
      SCOPED_TRACE(module + theirs);
      const std::vector<NamedTensor> parts = named_tensors(module + theirs, info, "f");
      ASSERT_EQ(parts.size(), 4u);
      const std::string names[] = {"experts.0.gate_proj", "experts.0.up_proj", "experts.1.gate_proj",
                                   "experts.1.up_proj"};
      for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(parts[i].name, kMlp + names[i] + ours);
        EXPECT_EQ(parts[i].info.dtype, Dtype::bf16);
        EXPECT_EQ(parts[i].info.shape, (Shape{3, 5}));
        EXPECT_EQ(parts[i].info.offset, 100 + i * 30);
        EXPECT_EQ(parts[i].info.nbytes, 30u);
      }
    }
  }
}

TEST(Layout, TheGlobalScaleOfMlxIsTheLargestValue) {
  EXPECT_EQ(global_scale_unit("lm_head.weight.global_scale"), 1.0f);
  EXPECT_EQ(global_scale_unit("lm_head.weight_scale_2"), 1.0f);
  EXPECT_EQ(global_scale_unit("lm_head.global_scale"), 1.0f / 2688);
}

TEST(Layout, FusedExpertsOfAnImpossibleShapeAreNamed) {
  for (const Shape& shape : {Shape{2, 5, 4}, Shape{6, 5}, Shape{}, Shape{1, 2, 3, 4}}) {
    EXPECT_ERROR(named_tensors(kMlp + "experts.gate_up_proj", {Dtype::f32, shape, 0, 160}, "model.safetensors"),
                 ErrorKind::bad_file,
                 AllOf(HasSubstr("model.safetensors: tensor '" + kMlp + "experts.gate_up_proj'"),
                       HasSubstr("[experts, 2 * rows, columns]"), HasSubstr(to_string(shape))));
  }
  EXPECT_TRUE(named_tensors(kMlp + "experts.gate_up_proj", {Dtype::f32, {0, 4, 4}, 0, 0}, "f").empty());
}

}  // namespace
}  // namespace glimt

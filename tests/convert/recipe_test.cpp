#include "convert/recipe.h"

#include "base/throws.h"

namespace glimt::convert {
namespace {

using ::testing::HasSubstr;

TEST(Recipe, PatternsMatchWholePaths) {
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("*.mlp.gate", "model.layers.3.mlp.gate"));
  EXPECT_FALSE(matches("*.mlp.gate", "model.layers.3.mlp.gate_proj"));
  EXPECT_TRUE(matches("*.switch_mlp.*", "model.layers.47.mlp.switch_mlp.down_proj"));
  EXPECT_FALSE(matches("*.switch_mlp.*", "model.layers.0.mlp.down_proj"));
  EXPECT_TRUE(matches("a*b*c", "aXXbYYbc"));
  EXPECT_FALSE(matches("a*b", "aXXbc"));
  EXPECT_FALSE(matches("abc*", "ab"));
}

TEST(Recipe, TheDefaultKeepsTheRouterAndGivesExpertsFourBits) {
  const Recipe& balanced = recipes().front();
  EXPECT_EQ(balanced.name, "balanced");
  EXPECT_EQ(choice_for(balanced, "model.layers.1.mlp.gate", 2048), std::nullopt);
  EXPECT_EQ(choice_for(balanced, "model.layers.47.mlp.switch_mlp.up_proj", 2048)->bits, 4);
  EXPECT_EQ(choice_for(balanced, "model.layers.47.eh_proj", 4096)->bits, 8);
  EXPECT_EQ(choice_for(balanced, "lm_head", 2048)->bits, 8);
}

TEST(Recipe, ColumnsThatDoNotDivideGetSmallerGroupsOrStayFloats) {
  EXPECT_EQ(choice_for(recipes().front(), "lm_head", 96)->group_size, 32);
  EXPECT_EQ(choice_for(recipes().front(), "lm_head", 80), std::nullopt);
  const Recipe plain = uniform_recipe({QuantMode::affine, 4, 128});  // as mlx-lm: floats at once
  EXPECT_EQ(choice_for(plain, "model.layers.1.self_attn.embed_q", 192), std::nullopt);
  EXPECT_EQ(choice_for(plain, "lm_head", 256)->group_size, 128);
}

TEST(Recipe, ModesHaveTheirOwnBitsAndGroups) {
  EXPECT_EQ(quantization_for(QuantMode::affine, 0, 0), (Quantization{QuantMode::affine, 4, 64}));
  EXPECT_EQ(quantization_for(QuantMode::mxfp4, 0, 0), (Quantization{QuantMode::mxfp4, 4, 32}));
  EXPECT_EQ(quantization_for(QuantMode::mxfp8, 0, 0), (Quantization{QuantMode::mxfp8, 8, 32}));
  EXPECT_EQ(quantization_for(QuantMode::nvfp4, 0, 0), (Quantization{QuantMode::nvfp4, 4, 16}));
  EXPECT_EQ(quantization_for(QuantMode::affine, 3, 128), (Quantization{QuantMode::affine, 3, 128}));
}

TEST(Recipe, ImpossibleOnesAreRefused) {
  EXPECT_ERROR(quantization_for(QuantMode::affine, 7, 0), ErrorKind::invalid_request, HasSubstr("7 bits"));
  EXPECT_ERROR(quantization_for(QuantMode::affine, 0, 48), ErrorKind::invalid_request, HasSubstr("groups of 48"));
  EXPECT_ERROR(quantization_for(QuantMode::mxfp4, 8, 0), ErrorKind::invalid_request, HasSubstr("mxfp4"));
  EXPECT_ERROR(recipe_named("tasty"), ErrorKind::invalid_request, HasSubstr("balanced, small, uniform4"));
}

}  // namespace
}  // namespace glimt::convert

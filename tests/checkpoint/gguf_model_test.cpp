#include "checkpoint/gguf_model.h"

#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/gguf_golden.h"

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::pair<GgufType, std::string> as_q8_0(const std::string&, const GgufSourceTensor& tensor) {
  return {GgufType::q8_0, q8_0_bytes(tensor.values)};
}

class GgufModelTest : public testing::Test {
 protected:
  GgufModel open(const std::string& bytes) const { return GgufModel(folder_.write("model.gguf", bytes)); }

  void refused(const std::string& bytes, ErrorKind kind, const testing::Matcher<std::string>& words) const {
    EXPECT_ERROR(open(bytes), kind, AllOf(HasSubstr("model.gguf"), words));
  }

  // With the embedding, without which a file is no model.
  std::string with_table(GgufBytes gguf) const {
    return gguf.tensor("token_embd.weight", {320, 64}, GgufType::f32, std::string(320 * 64 * 4, '\0')).build();
  }

  TemporaryFolder folder_;
};

// The metadata say the same as the config.json that the file was made from.
TEST_F(GgufModelTest, MetadataAreAConfiguration) {
  for (const char* name : {"base", "no_q_lora", "groups", "two_dense", "mtp"}) {
    SCOPED_TRACE(name);
    const GoldenGguf golden(name);
    if (golden.config().n_group > 1) continue;  // the helper does not write groups; below
    const GgufModel model = open(golden.build(as_q8_0));
    const Config got = Config::from_json(model.config(), "config"), &wanted = golden.config();
    EXPECT_EQ(got.architecture, "Glm4MoeLiteForCausalLM");
    for (const auto field :
         {&Config::hidden_size, &Config::num_hidden_layers, &Config::vocab_size, &Config::max_position_embeddings,
          &Config::num_attention_heads, &Config::kv_lora_rank, &Config::qk_nope_head_dim, &Config::qk_rope_head_dim,
          &Config::v_head_dim, &Config::intermediate_size, &Config::moe_intermediate_size, &Config::n_routed_experts,
          &Config::n_shared_experts, &Config::num_experts_per_tok, &Config::n_group, &Config::topk_group,
          &Config::num_nextn_predict_layers}) {
      EXPECT_EQ(got.*field, wanted.*field);
    }
    EXPECT_EQ(got.q_lora_rank, wanted.q_lora_rank);
    EXPECT_EQ(got.is_moe_layer, wanted.is_moe_layer);
    EXPECT_EQ(got.norm_topk_prob, wanted.norm_topk_prob);
    EXPECT_EQ(got.routed_scaling_factor, wanted.routed_scaling_factor);
    EXPECT_EQ(got.rms_norm_eps, wanted.rms_norm_eps);
    EXPECT_EQ(got.rope_theta, wanted.rope_theta);
    EXPECT_EQ(got.tie_word_embeddings, wanted.tie_word_embeddings);
    EXPECT_EQ(got.eos_token_id, wanted.eos_token_id);
  }
}

TEST_F(GgufModelTest, TensorsHaveOurNamesAndShapes) {
  const GgufModel model = open(GoldenGguf("mtp").build(as_q8_0));
  const auto shape = [&](const std::string& name) { return model.tensors().at(name).shape; };
  EXPECT_EQ(shape("model.layers.1.mlp.switch_mlp.down_proj.weight").size(), 3u);
  EXPECT_EQ(shape("model.layers.0.self_attn.embed_q.weight").size(), 3u);
  EXPECT_TRUE(model.has("lm_head.weight") && model.has("model.norm.weight"));
  EXPECT_EQ(model.tensors().at("model.layers.0.mlp.up_proj.weight").stored_name, "blk.0.ffn_up.weight");
  const std::string mtp = "model.layers." + std::to_string(GoldenGguf("mtp").config().num_hidden_layers) + ".";
  for (const char* name : {"eh_proj.weight", "enorm.weight", "hnorm.weight", "shared_head.norm.weight"}) {
    EXPECT_TRUE(model.has(mtp + name)) << name;
  }
}

TEST(GgufNames, OthersAreOfNoPart) {
  EXPECT_EQ(name_of_gguf_tensor("blk.46.exp_probs_b.bias"), "model.layers.46.mlp.gate.e_score_correction_bias");
  for (const char* name : {"", "blk", "blk.", "blk.1", "blk.1.", "blk.x.attn_norm.weight", "blk.01.attn_norm.weight",
                           "blk.-1.attn_norm.weight", "blk.99999999999.attn_norm.weight", "blk.1.attn_qkv.weight"}) {
    EXPECT_EQ(name_of_gguf_tensor(name), "") << name;
  }
}

TEST_F(GgufModelTest, ExpertsChosenBySoftmaxAreRefused) {
  const GoldenGguf golden("base");
  refused(with_table(golden.metadata(false)), ErrorKind::unsupported,
          AllOf(HasSubstr("expert_gating_func' is missing"), HasSubstr("softmax"), HasSubstr("newer")));
  refused(with_table(golden.metadata(false).set("deepseek2.expert_gating_func", 1u)), ErrorKind::unsupported,
          HasSubstr("expert_gating_func' is 1 (softmax)"));
}

TEST_F(GgufModelTest, OtherModelsAreRefused) {
  const GoldenGguf golden("base");
  refused(GgufBytes().set("general.architecture", "llama").build(), ErrorKind::unsupported,
          AllOf(HasSubstr("'llama'"), HasSubstr("deepseek2")));
  refused(GgufBytes().build(), ErrorKind::bad_file, HasSubstr("'general.architecture' is missing"));
  refused(golden.metadata().build(), ErrorKind::bad_file, HasSubstr("token_embd.weight"));
  refused(with_table(golden.metadata().set("deepseek2.rope.scaling.type", "yarn")), ErrorKind::unsupported,
          HasSubstr("'yarn'"));
  refused(with_table(golden.metadata().set("split.count", 2u)), ErrorKind::unsupported, HasSubstr("one of 2 files"));
  refused(with_table(golden.metadata().set("tokenizer.ggml.eot_token_id", -1.0f)), ErrorKind::bad_file,
          AllOf(HasSubstr("eot_token_id"), HasSubstr("got -1")));
}

TEST_F(GgufModelTest, TensorsThatCannotBeReadAreNamed) {
  const GoldenGguf golden("base");
  const std::map<std::uint32_t, const char*> types = {{16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
                                                      {21, "IQ3_S"},   {22, "IQ2_S"},  {29, "IQ1_M"},   {34, "TQ1_0"},
                                                      {35, "TQ2_0"},   {40, "NVFP4"}};
  for (const auto& [type, name] : types) {
    const std::string block(static_cast<std::size_t>(find_gguf_type(type)->bytes) *
                                static_cast<std::size_t>(256 / find_gguf_type(type)->block),
                            '\0');
    refused(with_table(golden.metadata().tensor("blk.0.attn_output.weight", {1, 256}, type, block)),
            ErrorKind::unsupported,
            AllOf(HasSubstr("blk.0.attn_output.weight"), HasSubstr(std::string("as ") + name + ","),
                  HasSubstr("glimt convert --recipe small")));
  }
  refused(with_table(golden.metadata().tensor("blk.0.attn_qkv.weight", {1, 1}, GgufType::f32, "1234")),
          ErrorKind::unsupported, HasSubstr("blk.0.attn_qkv.weight"));
  refused(with_table(golden.metadata()
                         .tensor("blk.0.exp_probs_b.bias", {1}, GgufType::f32, "1234")
                         .tensor("blk.0.exp_probs_b", {1}, GgufType::f32, "1234")),
          ErrorKind::bad_file, HasSubstr("one meaning"));
}

TEST_F(GgufModelTest, APredictionLayerCountsIfItIsThere) {
  const auto layers = [&](const GgufBytes& gguf) {
    const Config config = Config::from_json(open(with_table(gguf)).config(), "config");
    return std::pair(config.num_hidden_layers, config.num_nextn_predict_layers);
  };
  const GgufBytes said = GoldenGguf("base").metadata().set("deepseek2.nextn_predict_layers", 1u);  // of three blocks
  EXPECT_EQ(layers(said), std::pair(2, 1));
  GgufBytes none = said, there = said;
  none.tensor("blk.2.attn_norm.weight", {1}, GgufType::f32, "1234");
  there.tensor("blk.2.attn_norm.weight", {1}, GgufType::f32, "1234");
  there.tensor("blk.2.nextn.enorm.weight", {1}, GgufType::f32, "1234");
  EXPECT_EQ(layers(none), std::pair(3, 0));
  EXPECT_EQ(layers(there), std::pair(2, 1));
}

}  // namespace
}  // namespace glimt

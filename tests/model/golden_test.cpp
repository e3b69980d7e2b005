// The forward pass against stored reference numbers: every case, every path that the engine may take through it.
#include "kernels/cpu/table.h"
#include "kernels/kernels.h"
#include "model/checkpoint.h"

#include <cstdlib>
#include <string_view>

namespace glimt {
namespace {

const char* const kCases[] = {"base",
                              "no_q_lora",
                              "groups",
                              "yarn",
                              "plain_scores",
                              "two_dense",
                              "bf16",
                              "mtp",
                              "base_affine4_g32",
                              "base_affine4_g64",
                              "base_affine8_g64",
                              "base_mxfp4_g32",
                              "base_mxfp8_g32",
                              "base_nvfp4_g16",
                              "base_ollama_int4",
                              "oracle_negative_bias",
                              "oracle_sigmoid_gate",
                              "oracle_large_bias",
                              "oracle_half_rope",
                              "oracle_yarn_mtp"};

class Golden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    // The same program runs once for each instruction set; one that this CPU lacks has nothing to show.
    const char* isa = std::getenv("GLIMT_CPU_ISA");
    if (isa == nullptr || *isa == '\0') return;
    for (const cpu::Table* table : cpu::supported_tables()) {
      if (std::string_view(table->isa) == isa) return;
    }
    GTEST_SKIP() << "this CPU has no " << isa;
  }

  void TearDown() override {
    kernels::set_backend(kernels::Backend::cpu);
    kernels::set_mla_form(kernels::MlaForm::automatic);
  }

  std::string name() const { return GetParam(); }

  // transformers' model.to(torch.bfloat16) rounds the rotary frequencies too, and the stored numbers have that in them.
  LoadedModel load() const {
    return load_model(golden_folder(name()), {.exact = true, .round_rope_frequencies = name() == "bf16"});
  }

  void expect_all_chunks(const CausalLm& model) const {
    for (const int chunk : {0, 7, 1}) {
      SCOPED_TRACE(chunk == 0 ? "all at once" : "chunks of " + std::to_string(chunk));
      expect_golden(model, name(), chunk);
    }
  }
};

TEST_P(Golden, OurKernelsComputeTheReferenceInEveryChunking) {
  kernels::set_backend(kernels::Backend::cpu);
  expect_all_chunks(*load().model);
}

TEST_P(Golden, PlainMlxComputesTheReferenceInEveryChunking) {
  kernels::set_backend(kernels::Backend::mlx);
  expect_all_chunks(*load().model);
}

TEST_P(Golden, BothFormsOfAttentionComputeTheReference) {
  kernels::set_backend(kernels::Backend::mlx);
  const LoadedModel loaded = load();
  for (const kernels::MlaForm form : {kernels::MlaForm::absorbed, kernels::MlaForm::expanded}) {
    SCOPED_TRACE(form == kernels::MlaForm::absorbed ? "absorbed" : "expanded");
    kernels::set_mla_form(form);
    expect_golden(*loaded.model, name(), 7);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param); });

// The stored numbers list what they list; this keeps a renamed or forgotten tensor from shrinking the comparison.
TEST(GoldenFiles, HoldHiddenStatesAttentionGatesLogitsAndTokens) {
  const SafetensorsFile file(golden_file("mtp"));
  for (const char* name : {"input_ids", "layers.0.self_attn", "layers.2.output", "layers.1.gate.inds",
                           "layers.2.gate.scores", "hidden", "logits", "greedy", "mtp.hidden", "mtp.logits"}) {
    EXPECT_TRUE(file.tensors().contains(name)) << name;
  }
}

// Bfloat16 weights with exact rotary frequencies, which is what the model means: see tests/oracle/reference.py.
TEST(GoldenFiles, Bfloat16WeightsKeepExactRotaryFrequenciesUnlessAskedToRoundThem) {
  const LoadedModel exact = load_model(golden_folder("bf16"), {.exact = true});
  expect_golden(*exact.model, "bf16_exact_frequencies");
  EXPECT_FALSE(all_ok(compare(*exact.model, golden_file("bf16"), {})));
}

// As answers are computed (rounded cache, 8-bit activations), not a bit depends on the chunk.
TEST(Chunks, GiveTheSameBits) {
  for (const char* name : {"base", "bf16", "groups", "base_affine4_g64", "base_affine8_g64", "base_mxfp4_g32"}) {
    SCOPED_TRACE(name);
    const LoadedModel loaded = load_model(golden_folder(name));
    const mx::array wanted = logits_for(*loaded.model, name);
    for (const int chunk : {1, 2, 7, 32}) {
      EXPECT_TRUE(mx::array_equal(logits_for(*loaded.model, name, chunk), wanted).item<bool>())
          << "chunks of " << chunk;
    }
  }
}

// The bfloat16 cache that is used outside of comparisons stays close to the exact one: on the average, because a rounded
// row may tip a token to another expert, and that moves its logits by much.
TEST(GoldenFiles, ABfloat16CacheChangesLogitsByLittle) {
  const mx::array difference = mx::subtract(logits_for(*load_model(golden_folder("base")).model),
                                            SafetensorsFile(golden_file("base")).array("logits"));
  const float mean = mx::mean(mx::abs(difference)).item<float>();
  EXPECT_GT(mean, 1e-5f);
  EXPECT_LT(mean, 0.02f);
}

}  // namespace
}  // namespace glimt

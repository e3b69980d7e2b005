// The forward pass against stored reference numbers: every case, every path that the engine may take through it.
#include "base/file.h"
#include "base/temporary_folder.h"
#include "kernels/cpu/isa.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"
#include "model/checkpoint.h"
#include "model/local_ranks.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
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
    for (const cpu::Isa* one : cpu::supported_isas()) {
      if (std::string_view(one->name) == isa) return;
    }
    GTEST_SKIP() << "this CPU has no " << isa;
  }

  std::string name() const { return GetParam(); }

  // transformers' model.to(torch.bfloat16) rounds the rotary frequencies too, and the stored numbers have that in them.
  LoadedModel load(const kernels::Ops& ops) const {
    LoadOptions options{.exact = true, .ops = &ops, .round_rope_frequencies = name() == "bf16"};
    options.ranks.split = test_split();
    const LocalRanks::Load ranks(golden_folder(name()), options);
    return load_model(golden_folder(name()), options);
  }

  void expect_all_chunks(const CausalLm& model) const {
    for (const int chunk : {0, 7, 1}) {
      SCOPED_TRACE(chunk == 0 ? "all at once" : "chunks of " + std::to_string(chunk));
      expect_golden(model, name(), chunk);
    }
  }
};

TEST_P(Golden, OurKernelsComputeTheReferenceInEveryChunking) { expect_all_chunks(*load(kernels::cpu_ops()).model); }

TEST_P(Golden, PlainMlxComputesTheReferenceInEveryChunking) { expect_all_chunks(*load(kernels::plain_ops()).model); }

TEST_P(Golden, BothFormsOfAttentionComputeTheReference) {
  for (const kernels::MlaForm form : {kernels::MlaForm::absorbed, kernels::MlaForm::expanded}) {
    SCOPED_TRACE(form == kernels::MlaForm::absorbed ? "absorbed" : "expanded");
    for (const kernels::Ops* ops : {&kernels::plain_ops(form), &kernels::cpu_ops(form)})
      expect_golden(*load(*ops).model, name(), 7);
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

// Two models in one process, one exact: neither feels that the other was loaded.
TEST(TwoModels, EachKeepsItsOwnExactness) {
  for (const char* name : {"base_affine4_g64", "base_mxfp4_g32"}) {
    SCOPED_TRACE(name);
    const LoadedModel exact = load_model(golden_folder(name), {.exact = true});
    const LoadedModel fast = load_model(golden_folder(name));
    expect_golden(*exact.model, name);
    const mx::array rounded = logits_for(*fast.model, name);
    EXPECT_FALSE(all_ok(compare(*fast.model, golden_file(name), {})));
    expect_golden(*exact.model, name);
    EXPECT_TRUE(mx::array_equal(logits_for(*fast.model, name), rounded).item<bool>());
  }
}

// ---- Files whose tensors lie at any byte, as mlx-lm writes them

// The case's folder, with `padding` more bytes in the header of its weights.
class ShiftedCheckpoint {
 public:
  ShiftedCheckpoint(const std::string& name, std::size_t padding) {
    folder_.write("config.json", read_file(golden_folder(name) / "config.json"));
    std::string file = read_file(golden_folder(name) / "model.safetensors");
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof length);
    file.insert(sizeof length + length, padding, ' ');
    length += padding;
    std::memcpy(file.data(), &length, sizeof length);
    folder_.write("model.safetensors", file);
  }

  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

class Offsets : public Golden {};

INSTANTIATE_TEST_SUITE_P(Cases, Offsets, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Offsets, OurKernelsReadWeightsAtAnyByteWithTheSameBits) {
  for (const bool exact : {true, false}) {
    const mx::array wanted = logits_for(*load_model(golden_folder(name()), {.exact = exact}).model, name());
    for (const std::size_t padding : {1, 2, 3}) {
      const ShiftedCheckpoint shifted(name(), padding);
      const LoadedModel loaded = load_model(shifted.path(), {.exact = exact});
      EXPECT_TRUE(mx::array_equal(logits_for(*loaded.model, name()), wanted).item<bool>())
          << padding << " more bytes" << (exact ? ", exact" : "");
    }
  }
}

// All that a load allocates are float32 vectors and the two halves of a joined kv_b_proj: no other matrix is copied.
TEST_P(Offsets, OurKernelsNeedNoCopiesOfMatrices) {
  const SafetensorsFile file(golden_folder(name()) / "model.safetensors");
  std::size_t needed = 0;
  for (const auto& [tensor, info] : file.tensors()) {
    if (info.shape.size() == 1) needed += sizeof(float) * static_cast<std::size_t>(info.shape[0]);
    if (tensor.find("kv_b_proj") != std::string::npos) needed += 8 * info.nbytes;  // 4 bits may become float32
  }
  for (const std::size_t padding : {0, 1, 2, 3}) {
    const ShiftedCheckpoint shifted(name(), padding);
    const std::size_t before = mx::get_active_memory();
    const LoadedModel loaded = load_model(shifted.path(), {.exact = true, .ops = &kernels::cpu_ops()});
    EXPECT_LE(mx::get_active_memory() - before, needed + needed / 8) << padding << " more bytes";
  }
}

TEST_P(Offsets, PlainMlxGetsAlignedCopies) {
  const ShiftedCheckpoint shifted(name(), 1);
  const LoadOptions options{.exact = true, .ops = &kernels::plain_ops(), .round_rope_frequencies = name() == "bf16"};
  expect_golden(*load_model(shifted.path(), options).model, name());
}

// As answers are computed (rounded cache, 8-bit activations), not a bit depends on the chunk.
TEST(Chunks, GiveTheSameBits) {
  for (const char* name : {"base", "bf16", "groups", "base_affine4_g64", "base_affine8_g64", "base_mxfp4_g32"}) {
    SCOPED_TRACE(name);
    const LoadedModel loaded = load_model(golden_folder(name), {.ops = &kernels::cpu_ops()});
    const mx::array wanted = logits_for(*loaded.model, name);
    for (const int chunk : {1, 2, 7, 32}) {
      EXPECT_TRUE(mx::array_equal(logits_for(*loaded.model, name, chunk), wanted).item<bool>())
          << "chunks of " << chunk;
    }
  }
}

// The bfloat16 cache that is used outside of comparisons stays close to the exact one: on the average, because a
// rounded row may tip a token to another expert, and that moves its logits by much.
TEST(GoldenFiles, ABfloat16CacheChangesLogitsByLittle) {
  const mx::array difference =
      mx::subtract(logits_for(*load_model(golden_folder("base")).model), golden_array("base", "logits"));
  const float mean = mx::mean(mx::abs(difference)).item<float>();
  EXPECT_GT(mean, 1e-5f);
  EXPECT_LT(mean, 0.02f);
}

}  // namespace
}  // namespace glimt

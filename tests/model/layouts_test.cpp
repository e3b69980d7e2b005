// One model in every layout and quantization that a checkpoint may have: the numbers must not depend on how it is
// stored.
#include "model/layouts.h"
#include "kernels/kernels.h"
#include "kernels/plain_ops.h"

#include <cctype>

namespace glimt {
namespace {

// Every matrix of a checkpoint in the released layout that a converter may quantize.
bool is_quantizable(const std::string& name, const mx::array& value) {
  return name.ends_with(".weight") && value.ndim() == 2 && name.find(".mlp.gate.weight") == std::string::npos;
}

std::string path_of(const std::string& name) {
  return name.substr(0, name.size() - std::string_view(".weight").size());
}

struct Parts {
  mx::array values, scales;
  std::optional<mx::array> biases;
};

Parts quantized(const mx::array& value, const Quantization& q) {
  const std::vector<mx::array> parts = mx::quantize(value, q.group_size, q.bits, q.mode_name());
  return {parts[0], parts[1], parts.size() > 2 ? std::optional(parts[2]) : std::nullopt};
}

// MLX computes in the dtype of affine scales; the values are wanted in float32.
mx::array dequantized(const Parts& parts, const Quantization& q) {
  if (!parts.biases) {
    return mx::dequantize(parts.values, parts.scales, std::nullopt, q.group_size, q.bits, q.mode_name(), std::nullopt,
                          mx::float32);
  }
  return mx::dequantize(parts.values, mx::astype(parts.scales, mx::float32), mx::astype(*parts.biases, mx::float32),
                        q.group_size, q.bits, q.mode_name());
}

// How a quantized matrix is spelled: after its path.
struct Spelling {
  std::string values = ".weight", scales = ".scales", biases = ".biases", global_scale = ".global_scale";
};
const Spelling kMlx;
const Spelling kOllamaDisk = {".weight", ".weight.scale", ".weight.bias", ".weight.global_scale"};
const Spelling kOllamaLoader = {".weight", ".weight_scale", ".weight_qbias", ".weight_scale_2"};

void store(Checkpoint& checkpoint, const std::string& path, const Parts& parts, const Spelling& spelling = kMlx) {
  checkpoint.set(path + spelling.values, parts.values);
  checkpoint.set(path + spelling.scales, parts.scales);
  if (parts.biases) checkpoint.set(path + spelling.biases, *parts.biases);
}

json::object quantization_entry(const Quantization& q) {
  return {{"bits", q.bits}, {"group_size", q.group_size}, {"mode", q.mode_name()}};
}

// The model with quantized matrices, and the same with those matrices as floats: both must give the same logits.
struct Pair {
  Checkpoint stored;
  Checkpoint floats;

  explicit Pair(const Checkpoint& checkpoint) : stored(checkpoint), floats(checkpoint) {}

  void quantize(const std::string& path, const Quantization& q, const Spelling& spelling = kMlx) {
    const Parts parts = quantized(stored.pull(path + ".weight"), q);
    store(stored, path, parts, spelling);
    floats.set(path + ".weight", dequantized(parts, q));
  }

  // Everything of 2 or 3 dimensions but the gates whose columns fit.
  void quantize_all(const Quantization& q, const Spelling& spelling = kMlx) {
    for (const auto& [name, value] : Checkpoint(floats).tensors) {
      const bool stack = value.ndim() == 3;
      if ((stack || is_quantizable(name, value)) && value.shape(-1) % q.group_size == 0)
        quantize(path_of(name), q, spelling);
    }
  }

  void expect_same(float tolerance = 2e-4f) const {
    const LoadedModel a = stored.load(), b = floats.load();
    const mx::array wanted = logits_for(*b.model);
    EXPECT_LE(worst_difference(logits_for(*a.model), wanted), tolerance);
    const LoadedModel plain = stored.load({.exact = true, .ops = &kernels::plain_ops()});
    EXPECT_LE(worst_difference(logits_for(*plain.model), wanted), tolerance) << "plain MLX";
  }
};

TEST(Layouts, ReleasedMlxLmAndOllamaFloatsGiveTheSameNumbers) {
  expect_golden(*mlx_lm_layout().load().model, "base");
  expect_golden(*ollama_layout().load().model, "base");
  expect_golden(*mlx_lm_layout("mtp").load().model, "mtp");
}

TEST(Layouts, FusedExpertsOfTransformers5GiveTheSameNumbers) {
  expect_golden(*fused_layout().load().model, "base");
  expect_golden(*fused_layout("mtp").load().model, "mtp");
  Checkpoint half = fused_layout();
  for (auto& [name, value] : half.tensors) {
    if (name.find(".mlp.experts.") != std::string::npos) value = mx::astype(value, mx::bfloat16);
  }
  Checkpoint full = half;
  for (auto& [name, value] : full.tensors) value = mx::astype(value, mx::float32);
  EXPECT_LE(worst_difference(logits_for(*half.load().model), logits_for(*full.load().model)), 2e-4f);
}

TEST(Layouts, FusedExpertsMayBeQuantized) {
  for (const Quantization& q : {Quantization{QuantMode::affine, 4, 64}, Quantization{QuantMode::mxfp4, 4, 32}}) {
    Pair pair(fused_layout());
    for (const auto& [name, value] : Checkpoint(pair.stored).tensors) {
      if (!name.ends_with(".mlp.experts.gate_up_proj") && !name.ends_with(".mlp.experts.down_proj")) continue;
      const Parts parts = quantized(pair.stored.pull(name), q);
      store(pair.stored, name, parts);
      pair.floats.set(name, dequantized(parts, q));
    }
    pair.stored.config["quantization"] = quantization_entry(q);
    pair.expect_same();
    // As converters write it that name every module.
    json::object by_name = quantization_entry({QuantMode::affine, 8, 32});
    for (const char* layer : {"1", "2"}) {
      for (const char* projection : {"gate_up_proj", "down_proj"}) {
        by_name[fmt::format("model.layers.{}.mlp.experts.{}", layer, projection)] = quantization_entry(q);
      }
    }
    pair.stored.config["quantization"] = by_name;
    pair.expect_same();
  }
}

TEST(Layouts, ConfigurationsOfBothSpellingsGiveTheSameNumbers) {
  Checkpoint checkpoint = Checkpoint::read("yarn");
  json::object scaling = checkpoint.config["rope_scaling"].get_object();
  scaling["rope_type"] = scaling["type"];
  scaling["rope_theta"] = checkpoint.config["rope_theta"];
  checkpoint.config["rope_parameters"] = scaling;
  checkpoint.config.erase("rope_scaling");
  checkpoint.config.erase("rope_theta");
  checkpoint.config["mlp_layer_types"] = {"dense", "sparse", "sparse"};
  checkpoint.config.erase("first_k_dense_replace");
  expect_golden(*checkpoint.load().model, "yarn");
}

class AffineBits : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(AffineBits, GiveTheNumbersOfTheirFloats) {
  const auto [bits, group] = GetParam();
  const Quantization q{QuantMode::affine, bits, group};
  Pair pair(mlx_lm_layout());
  pair.quantize_all(q);
  pair.stored.config["quantization"] = quantization_entry(q);
  pair.expect_same();
}

INSTANTIATE_TEST_SUITE_P(All, AffineBits,
                         testing::Combine(testing::Values(2, 3, 4, 5, 6, 8), testing::Values(32, 64, 128)),
                         [](const auto& test) {
                           return fmt::format("{}BitsGroup{}", std::get<0>(test.param), std::get<1>(test.param));
                         });

// mlx-lm's mixed recipes: a default and, for some tensors, other bits, another mode or none.
TEST(Layouts, TensorsMayDifferFromTheDefaultQuantization) {
  const Quantization four{QuantMode::affine, 4, 64}, six{QuantMode::affine, 6, 32}, mxfp8{QuantMode::mxfp8, 8, 32},
      mxfp4{QuantMode::mxfp4, 4, 32};
  Pair pair(mlx_lm_layout());
  json::object entry = quantization_entry(four);
  for (const auto& [name, value] : Checkpoint(pair.stored).tensors) {
    if (value.ndim() != 3 && !is_quantizable(name, value)) continue;
    const std::string path = path_of(name);
    if (path.ends_with("o_proj")) {
      entry[path] = false;
    } else if (path.ends_with("switch_mlp.down_proj")) {
      pair.quantize(path, mxfp4);
      entry[path] = quantization_entry(mxfp4);
    } else if (path == "lm_head") {
      pair.quantize(path, mxfp8);
      entry[path] = quantization_entry(mxfp8);
    } else if (value.shape(-1) % 64 != 0 || path.ends_with("embed_q")) {
      pair.quantize(path, six);
      entry[path] = {{"bits", 6}, {"group_size", 32}};
    } else {
      pair.quantize(path, four);
    }
  }
  pair.stored.config["quantization"] = entry;
  pair.expect_same();
}

TEST(Layouts, AQuantizedRouterIsRead) {
  Pair pair(mlx_lm_layout());
  const Quantization q{QuantMode::affine, 8, 64};
  for (const char* layer : {"1", "2"}) pair.quantize(fmt::format("model.layers.{}.mlp.gate", layer), q);
  pair.stored.config["quantization"] = quantization_entry(q);
  pair.expect_same();
}

TEST(Layouts, TiedEmbeddingsMayBeQuantized) {
  for (const Quantization& q : {Quantization{QuantMode::affine, 4, 32}, Quantization{QuantMode::mxfp8, 8, 32}}) {
    Pair pair(mlx_lm_layout("two_dense"));
    pair.quantize("model.embed_tokens", q);
    pair.stored.config["quantization"] = quantization_entry(q);
    pair.expect_same();
  }
}

TEST(Layouts, ScalesMayBeHalfPrecision) {
  for (const mx::Dtype dtype : {mx::bfloat16, mx::float16}) {
    const Quantization q{QuantMode::affine, 4, 64};
    Checkpoint halves = mlx_lm_layout();
    for (auto& [name, value] : halves.tensors) {
      if (value.ndim() == 3 || is_quantizable(name, value)) value = mx::astype(value, dtype);
    }
    Pair pair(halves);
    pair.quantize_all(q);
    EXPECT_EQ(pair.stored.at("lm_head.scales").dtype(), dtype);
    pair.stored.config["quantization"] = quantization_entry(q);
    pair.expect_same();
  }
}

struct OllamaCase {
  const char* quant_type;
  Quantization quantization;
  Spelling spelling;
};

class OllamaQuantization : public testing::TestWithParam<OllamaCase> {};

TEST_P(OllamaQuantization, GivesTheNumbersOfItsFloats) {
  const OllamaCase& c = GetParam();
  Pair pair(ollama_layout());
  for (const auto& [name, value] : Checkpoint(pair.stored).tensors) {
    if (name.ends_with("kv_b_proj.weight") || value.shape(-1) % c.quantization.group_size != 0) continue;
    if (value.ndim() == 3 || is_quantizable(name, value)) pair.quantize(path_of(name), c.quantization, c.spelling);
  }
  pair.stored.metadata = {{"quant_type", c.quant_type}, {"group_size", std::to_string(c.quantization.group_size)}};
  pair.expect_same();
}

INSTANTIATE_TEST_SUITE_P(All, OllamaQuantization,
                         testing::Values(OllamaCase{"int4", {QuantMode::affine, 4, 64}, kOllamaDisk},
                                         OllamaCase{"INT4", {QuantMode::affine, 4, 32}, kOllamaLoader},
                                         OllamaCase{"int8", {QuantMode::affine, 8, 64}, kOllamaDisk},
                                         OllamaCase{"int8", {QuantMode::affine, 8, 64}, kOllamaLoader},
                                         OllamaCase{"mxfp4", {QuantMode::mxfp4, 4, 32}, kOllamaDisk},
                                         OllamaCase{"mxfp8", {QuantMode::mxfp8, 8, 32}, kOllamaDisk},
                                         OllamaCase{"nvfp4", {QuantMode::nvfp4, 4, 16}, kOllamaDisk},
                                         OllamaCase{"nvfp4", {QuantMode::nvfp4, 4, 16}, kOllamaLoader}),
                         [](const auto& test) {
                           return fmt::format("{}Group{}{}", test.param.quant_type, test.param.quantization.group_size,
                                              test.param.spelling.scales == ".weight.scale" ? "OnDisk" : "AsLoaded");
                         });

// Several tensors in one file, each with a type of its own in the metadata.
TEST(OllamaLayout, ATensorMayHaveItsOwnType) {
  Pair pair(ollama_layout());
  pair.quantize("lm_head", {QuantMode::mxfp8, 8, 32}, kOllamaDisk);
  pair.quantize("model.embed_tokens", {QuantMode::affine, 8, 64}, kOllamaDisk);
  pair.quantize("model.layers.0.self_attn.o_proj", {QuantMode::nvfp4, 4, 16}, kOllamaDisk);
  pair.stored.metadata = {{"lm_head.weight.quant_type", "mxfp8"},
                          {"model.embed_tokens.weight.quant_type", "int8"},
                          {"model.layers.0.self_attn.o_proj.weight.quant_type", "nvfp4"}};
  pair.expect_same();
}

TEST(OllamaLayout, OneTensorAFileIsReadAsOneModel) {
  Pair pair(ollama_layout());  // most files then have no metadata at all
  pair.quantize("lm_head", {QuantMode::affine, 4, 64}, kOllamaDisk);
  pair.quantize("model.layers.0.self_attn.o_proj", {QuantMode::mxfp8, 8, 32}, kOllamaDisk);
  const TemporaryFolder folder;
  pair.stored.write_config(folder.path());
  int number = 0;
  for (const auto& [name, value] : pair.floats.tensors) {
    pair.stored.metadata.clear();
    if (name == "lm_head.weight") pair.stored.metadata = {{"quant_type", "int4"}, {"group_size", "64"}};
    if (name.ends_with("0.self_attn.o_proj.weight"))
      pair.stored.metadata = {{"quant_type", "mxfp8"}, {"group_size", "32"}};
    pair.stored.write_tensors(
        folder.path() / fmt::format("blob-{}.safetensors", number++),
        [&](const std::string& stored) { return stored == name || stored.starts_with(name + "."); });
  }
  const float difference = worst_difference(logits_for(*load_model(folder.path(), {.exact = true}).model),
                                            logits_for(*pair.floats.load().model));
  EXPECT_LE(difference, 2e-4f);
}

// Older files: the stack is called switch_mlp, or every expert is a tensor of its own.
TEST(OllamaLayout, OlderExpertsAreRead) {
  const Quantization q{QuantMode::affine, 4, 64};
  Checkpoint stacked = Checkpoint::read("base");
  stack_experts(stacked, "switch_mlp");
  for (const Checkpoint& checkpoint : {stacked, Checkpoint::read("base")}) {
    Pair pair(checkpoint);
    for (const auto& [name, value] : Checkpoint(pair.stored).tensors) {
      if (name.find(".mlp.switch_mlp.") != std::string::npos || name.find(".mlp.experts.") != std::string::npos) {
        pair.quantize(path_of(name), q, kOllamaDisk);
      }
    }
    pair.stored.metadata = {{"quant_type", "int4"}, {"group_size", "64"}};
    pair.expect_same();
  }
}

class Nvfp4GlobalScale : public testing::TestWithParam<bool> {
 protected:
  static constexpr Quantization kNvfp4{QuantMode::nvfp4, 4, 16};

  // Stores value / factor with the factor beside it.
  static void quantize_scaled(Pair& pair, const std::string& path, const mx::array& factor,
                              const mx::array& broadcast) {
    const Spelling spelling = GetParam() ? kOllamaLoader : kOllamaDisk;
    const Parts parts = quantized(mx::divide(pair.stored.pull(path + ".weight"), broadcast), kNvfp4);
    store(pair.stored, path, parts, spelling);
    pair.stored.set(path + spelling.global_scale, factor);
    pair.floats.set(path + ".weight", mx::multiply(dequantized(parts, kNvfp4), broadcast));
    pair.stored.metadata = {{"quant_type", "nvfp4"}, {"group_size", "16"}};
  }
};

TEST_P(Nvfp4GlobalScale, OfOneValueScalesAMatrixOrAStack) {
  Pair pair(ollama_layout());
  const mx::array factor(0.37f);  // a scalar, shape []
  quantize_scaled(pair, "lm_head", factor, factor);
  quantize_scaled(pair, "model.embed_tokens", factor, factor);
  quantize_scaled(pair, "model.layers.0.self_attn.q_b_proj", mx::array({2.5f}), mx::array(2.5f));
  quantize_scaled(pair, "model.layers.1.mlp.experts.up_proj", factor, factor);
  pair.expect_same();
}

TEST_P(Nvfp4GlobalScale, OfAnExpertScalesThatExpert) {
  const mx::array factors = mx::linspace(0.2, 3.0, 8, mx::float32);
  for (const mx::Shape& shape : {mx::Shape{8}, mx::Shape{8, 1, 1}}) {
    Pair pair(ollama_layout());
    for (const char* projection : {"gate_proj", "up_proj", "down_proj"}) {
      for (const char* layer : {"1", "2"}) {
        quantize_scaled(pair, fmt::format("model.layers.{}.mlp.experts.{}", layer, projection),
                        mx::reshape(factors, shape), mx::reshape(factors, {8, 1, 1}));
      }
    }
    pair.expect_same();
  }
}

TEST_P(Nvfp4GlobalScale, OfARowScalesThatRow) {
  Pair pair(ollama_layout());
  const mx::array factors = mx::linspace(0.2, 3.0, 320, mx::float32);
  quantize_scaled(pair, "lm_head", factors, mx::reshape(factors, {320, 1}));
  quantize_scaled(pair, "model.embed_tokens", factors, mx::reshape(factors, {320, 1}));
  pair.expect_same();
}

TEST_P(Nvfp4GlobalScale, OfSingleExpertsScalesEach) {
  Pair pair(Checkpoint::read("base"));
  for (int e = 0; e < 8; ++e) {
    const mx::array factor(0.3f + static_cast<float>(e));
    for (const char* projection : {"gate_proj", "up_proj", "down_proj"}) {
      quantize_scaled(pair, fmt::format("model.layers.1.mlp.experts.{}.{}", e, projection), factor, factor);
    }
  }
  pair.expect_same();
}

// mlx-lm's stacked experts: MLX's own convention, one value an expert.
TEST(Layouts, AGlobalScaleOfMlxIsReadAsMlxReadsIt) {
  const Quantization nvfp4{QuantMode::nvfp4, 4, 16};
  Pair pair(mlx_lm_layout());
  const std::string path = "model.layers.1.mlp.switch_mlp.up_proj";
  const mx::array value = pair.stored.pull(path + ".weight");
  std::vector<mx::array> packed, scales, largest, floats;
  for (int e = 0; e < value.shape(0); ++e) {
    const mx::array expert = mx::take(value, e, 0), top = mx::max(mx::abs(expert));
    const std::vector<mx::array> parts = mx::quantize(expert, 16, 4, "nvfp4", top);
    packed.push_back(parts[0]);
    scales.push_back(parts[1]);
    largest.push_back(top);
    floats.push_back(mx::dequantize(parts[0], parts[1], std::nullopt, 16, 4, "nvfp4", top, mx::float32));
  }
  store(pair.stored, path, {mx::stack(packed), mx::stack(scales), std::nullopt});
  pair.stored.set(path + ".global_scale", mx::stack(largest));
  pair.floats.set(path + ".weight", mx::stack(floats));
  pair.stored.config["quantization"] = quantization_entry(nvfp4);
  pair.expect_same();
}

INSTANTIATE_TEST_SUITE_P(Spellings, Nvfp4GlobalScale, testing::Bool(),
                         [](const auto& test) { return test.param ? "AsLoaded" : "OnDisk"; });

// A quantized joined kv_b_proj is split and quantized again: the halves' groups run along other columns, so a second
// rounding is added, which is small for 8 bits.
TEST(OllamaLayout, AQuantizedJoinedKvProjectionIsSplit) {
  for (const Quantization& q : {Quantization{QuantMode::affine, 8, 64}, Quantization{QuantMode::mxfp8, 8, 32}}) {
    Pair pair(ollama_layout());
    for (int layer = 0; layer < 3; ++layer)
      pair.quantize(fmt::format("model.layers.{}.self_attn.kv_b_proj", layer), q, kOllamaDisk);
    pair.stored.metadata = {{"quant_type", q.mode == QuantMode::affine ? "int8" : "mxfp8"}};
    const mx::array difference =
        mx::abs(mx::subtract(logits_for(*pair.stored.load().model), logits_for(*pair.floats.load().model)));
    EXPECT_LT(mx::mean(difference).item<float>(), q.mode == QuantMode::affine ? 0.05f : 0.2f) << q.mode_name();
  }
}

TEST(MtpLayout, AQuantizedMtpLayerGivesTheNumbersOfItsFloats) {
  const Quantization q{QuantMode::affine, 4, 32};
  Pair pair(mlx_lm_layout("mtp"));
  pair.quantize_all(q);
  pair.stored.config["quantization"] = quantization_entry(q);
  const LoadedModel a = pair.stored.load(), b = pair.floats.load();
  ASSERT_TRUE(a.model->has_mtp());
  const mx::array ids = golden_array("mtp", "input_ids");
  const auto mtp_logits = [&](const CausalLm& model) {
    return mtp_logits_for(model, hidden_for(model, mx::slice(ids, {0, 0}, {2, 32})), mx::slice(ids, {0, 1}, {2, 33}));
  };
  EXPECT_LE(worst_difference(mtp_logits(*a.model), mtp_logits(*b.model)), 2e-4f);
}

TEST(MtpLayout, IsOptionalWhateverTheConfigurationSays) {
  Checkpoint checkpoint = Checkpoint::read("base");
  checkpoint.config["num_nextn_predict_layers"] = 1;
  const LoadedModel without = checkpoint.load();
  EXPECT_FALSE(without.model->has_mtp());
  expect_golden(*without.model, "base");
  checkpoint = Checkpoint::read("mtp");
  checkpoint.config["num_nextn_predict_layers"] = 0;
  const LoadedModel with = checkpoint.load();
  EXPECT_TRUE(with.model->has_mtp());
  expect_golden(*with.model, "mtp");
}

TEST(MtpLayout, SharesTheTrunksEmbeddingAndHeadIfItHasNone) {
  Checkpoint own = Checkpoint::read("mtp"), shared = own;
  own.set("model.layers.3.embed_tokens.weight", own.at("model.embed_tokens.weight"));
  own.set("model.layers.3.shared_head.head.weight", own.at("lm_head.weight"));
  shared.tensors.erase("model.layers.3.embed_tokens.weight");
  shared.tensors.erase("model.layers.3.shared_head.head.weight");
  const mx::array ids = golden_array("mtp", "input_ids");
  const auto mtp_logits = [&](const CausalLm& model) { return mtp_logits_for(model, hidden_for(model, ids), ids); };
  EXPECT_EQ(worst_difference(mtp_logits(*own.load().model), mtp_logits(*shared.load().model)), 0.0f);
}

// Old exporters store a constant that the model computes itself.
TEST(Layouts, StoredRotaryFrequenciesAreIgnored) {
  Checkpoint checkpoint = Checkpoint::read("base");
  checkpoint.set("model.layers.0.self_attn.rotary_emb.inv_freq", mx::zeros({8}));
  expect_golden(*checkpoint.load().model, "base");
}

TEST(Layouts, HalfPrecisionWeightsGiveTheNumbersOfTheirFloats) {
  for (const mx::Dtype dtype : {mx::bfloat16, mx::float16}) {
    Checkpoint half = Checkpoint::read("base"), full = half;
    for (auto& [name, value] : half.tensors) {
      if (!name.ends_with("e_score_correction_bias")) value = mx::astype(value, dtype);
      full.set(name, mx::astype(value, mx::float32));
    }
    EXPECT_LE(worst_difference(logits_for(*half.load().model), logits_for(*full.load().model)), 2e-4f);
  }
}

}  // namespace
}  // namespace glimt

#include "checkpoint/config.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/golden_folder.h"

#include <cmath>

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

json::object base() { return parse_json_file(golden_folder("base") / "config.json").get_object(); }

Config read(const json::object& object) { return Config::from_json(object, "config.json"); }

json::object with(const std::string& field, const json::value& value) {
  json::object object = base();
  object[field] = value;
  return object;
}

json::object without(const std::string& field) {
  json::object object = base();
  object.erase(field);
  return object;
}

// config.json: … 'field' …
auto names(const std::string& field) { return AllOf(StartsWith("config.json"), HasSubstr("'" + field + "'")); }

TEST(Config, ReadsEveryFieldOfTheReleasedModel) {
  const Config c = read(parse_json(R"({
      "architectures": ["Glm4MoeLiteForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "pad_token_id": 154820,
      "eos_token_id": [154820, 154827, 154829], "hidden_act": "silu", "hidden_size": 2048, "intermediate_size": 10240,
      "max_position_embeddings": 202752, "model_type": "glm4_moe_lite", "moe_intermediate_size": 1536,
      "topk_method": "noaux_tc", "norm_topk_prob": true, "num_attention_heads": 20, "n_group": 1, "topk_group": 1,
      "n_routed_experts": 64, "n_shared_experts": 1, "routed_scaling_factor": 1.8, "num_experts_per_tok": 4,
      "first_k_dense_replace": 1, "num_hidden_layers": 47, "num_key_value_heads": 20, "num_nextn_predict_layers": 1,
      "partial_rotary_factor": 1.0, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 1000000,
      "tie_word_embeddings": false, "dtype": "bfloat16", "q_lora_rank": 768, "kv_lora_rank": 512,
      "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256, "vocab_size": 154880})",
                                   "config.json")
                            .get_object());
  EXPECT_EQ(c.architecture, "Glm4MoeLiteForCausalLM");
  EXPECT_EQ(c.hidden_size, 2048);
  EXPECT_EQ(c.num_hidden_layers, 47);
  EXPECT_EQ(c.vocab_size, 154880);
  EXPECT_EQ(c.max_position_embeddings, 202752);
  EXPECT_FLOAT_EQ(c.rms_norm_eps, 1e-5f);
  EXPECT_FALSE(c.tie_word_embeddings);
  EXPECT_EQ(c.num_nextn_predict_layers, 1);
  EXPECT_EQ(c.num_attention_heads, 20);
  EXPECT_EQ(c.q_lora_rank, 768);
  EXPECT_EQ(c.kv_lora_rank, 512);
  EXPECT_EQ(c.qk_nope_head_dim, 192);
  EXPECT_EQ(c.qk_rope_head_dim, 64);
  EXPECT_EQ(c.v_head_dim, 256);
  EXPECT_FALSE(c.attention_bias);
  EXPECT_EQ(c.rope_theta, 1e6);
  EXPECT_TRUE(c.rope_interleave);
  EXPECT_FALSE(c.rope_scaling.has_value());
  EXPECT_EQ(c.intermediate_size, 10240);
  EXPECT_EQ(c.moe_intermediate_size, 1536);
  ASSERT_EQ(c.is_moe_layer.size(), 47u);
  EXPECT_FALSE(c.is_moe_layer[0]);
  for (std::size_t i = 1; i < 47; ++i) EXPECT_TRUE(c.is_moe_layer[i]) << i;
  EXPECT_EQ(c.n_routed_experts, 64);
  EXPECT_EQ(c.n_shared_experts, 1);
  EXPECT_EQ(c.num_experts_per_tok, 4);
  EXPECT_EQ(c.n_group, 1);
  EXPECT_EQ(c.topk_group, 1);
  EXPECT_TRUE(c.norm_topk_prob);
  EXPECT_FLOAT_EQ(c.routed_scaling_factor, 1.8f);
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.eos_token_id, (std::vector<TokenId>{154820, 154827, 154829}));
  EXPECT_FALSE(c.quantization.fallback.has_value());
  EXPECT_EQ(c.qk_head_dim(), 256);
  EXPECT_EQ(c.cache_width(), 576);
  EXPECT_FLOAT_EQ(c.attention_scale(), 1.0f / 16);
}

// A field that is needed, of the wrong kind, and of kinds and values that no model has.
struct Field {
  const char* name;
  bool required;
  const char* wrong;  // JSON values, all refused
};

const Field kFields[] = {
    {"architectures", false, R"(["a", "b"] | "Glm4MoeLiteForCausalLM" | [1] | [[]])"},
    {"hidden_act", false, R"("gelu" | 3)"},
    {"hidden_size", true, R"("64" | 0 | -64 | 64.5 | 1e12 | null | true | [64] | 18446744073709551615)"},
    {"num_hidden_layers", true, R"(0 | -1 | 100000 | "3" | null)"},
    {"vocab_size", true, R"(0 | -320 | 1e10 | "320" | null)"},
    {"max_position_embeddings", true, R"(0 | -1 | 1e12 | "512" | null)"},
    {"rms_norm_eps", true, R"(-1e-5 | 2 | "1e-5" | null)"},
    {"tie_word_embeddings", false, R"(1 | "false")"},
    {"num_nextn_predict_layers", false, R"(-1 | 2 | "1")"},
    {"num_attention_heads", true, R"(0 | -4 | 1e6 | "4" | null)"},
    {"q_lora_rank", false, R"(0 | -64 | "64" | 1.5)"},
    {"kv_lora_rank", true, R"(0 | -64 | "64" | null)"},
    {"qk_nope_head_dim", true, R"(0 | -1 | "64" | null)"},
    {"qk_rope_head_dim", true, R"(0 | -16 | 15 | "16" | null)"},
    {"v_head_dim", true, R"(0 | -1 | "64" | null)"},
    {"attention_bias", false, R"(1 | "true")"},
    {"rope_theta", true, R"(0 | -1 | 1e300 | "1000000" | null)"},
    {"rope_interleave", false, R"(1 | "true")"},
    {"rope_scaling", false, R"(4 | "yarn" | [])"},
    {"rope_parameters", false, R"(4 | "yarn" | [])"},
    {"partial_rotary_factor", false, R"(0.5 | "1" | 2)"},
    {"intermediate_size", true, R"(0 | -1 | "160" | null)"},
    {"moe_intermediate_size", true, R"(0 | -1 | "64" | null)"},
    {"first_k_dense_replace", true, R"(-1 | 4 | "1" | null)"},
    {"mlp_layer_types", false, R"(["dense"] | ["dense", "sparse", "moe"] | "dense" | [0, 1, 1])"},
    {"moe_layer_freq", false, R"(2 | 0 | "1")"},
    {"topk_method", false, R"("greedy" | 1)"},
    {"scoring_func", false, R"("softmax" | 1)"},
    {"n_routed_experts", true, R"(0 | -8 | 1e9 | "8" | null)"},
    {"n_shared_experts", false, R"(-1 | 1000 | "1")"},
    {"num_experts_per_tok", true, R"(0 | -1 | 9 | "2" | null)"},
    {"n_group", false, R"(0 | -1 | 3 | "1")"},
    {"topk_group", false, R"(0 | -1 | 2 | "1")"},
    {"norm_topk_prob", false, R"(1 | "true")"},
    {"routed_scaling_factor", false, R"(-1 | 1e300 | "1.8")"},
    {"torch_dtype", false, R"(32)"},
    {"eos_token_id", false, R"("2" | [2, "3"] | -1 | [320] | 2.5 | {})"},
    {"quantization", false, R"(4 | "4bit" | [])"},
};

TEST(Config, EveryMissingFieldIsNamed) {
  for (const Field& field : kFields) {
    if (field.required) {
      EXPECT_ERROR(read(without(field.name)), ErrorKind::bad_file, names(field.name));
    } else {
      EXPECT_NO_THROW(read(without(field.name))) << field.name;
    }
  }
}

TEST(Config, EveryFieldOfTheWrongTypeOrWithAnImpossibleValueIsNamed) {
  for (const Field& field : kFields) {
    std::string_view rest = field.wrong;
    while (!rest.empty()) {
      const std::size_t bar = rest.find(" | ");
      const std::string_view text = rest.substr(0, bar);
      rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 3);
      SCOPED_TRACE(std::string(field.name) + ": " + std::string(text));
      try {
        read(with(field.name, parse_json(text, "value")));
        ADD_FAILURE() << "was accepted";
      } catch (const Error& error) {
        EXPECT_TRUE(error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::unsupported) << error.what();
        EXPECT_THAT(error.what(), AllOf(StartsWith("config.json"), HasSubstr(field.name)));
      }
    }
  }
}

TEST(Config, FieldsThatContradictEachOtherAreNamedTogether) {
  json::object object = with("n_group", 3);
  EXPECT_ERROR(read(object), ErrorKind::bad_file, AllOf(names("n_routed_experts"), HasSubstr("'n_group' (3)")));
  object = with("n_group", 4);
  object["topk_group"] = 5;
  EXPECT_ERROR(read(object), ErrorKind::bad_file, AllOf(names("topk_group"), HasSubstr("'n_group' (4)")));
  object["topk_group"] = 1;
  object["num_experts_per_tok"] = 3;  // a group holds two
  EXPECT_ERROR(read(object), ErrorKind::bad_file, names("num_experts_per_tok"));
  object = with("n_group", 8);  // a group is worth its two best, it has only one
  object["topk_group"] = 2;
  EXPECT_ERROR(read(object), ErrorKind::bad_file, HasSubstr("group"));
  object = with("num_attention_heads", 4096);
  object["v_head_dim"] = 1 << 20;
  EXPECT_ERROR(read(object), ErrorKind::bad_file, HasSubstr("num_attention_heads"));
}

TEST(Config, RopeParametersMeanTheSameAsTheOlderSpelling) {
  json::object object = without("rope_theta");
  object["rope_parameters"] = parse_json(R"({"rope_theta": 1e6, "rope_type": "default"})", "x");
  const Config plain = read(object);
  EXPECT_EQ(plain.rope_theta, 1e6);
  EXPECT_FALSE(plain.rope_scaling.has_value());

  const char* yarn = R"({"TYPE": "yarn", "factor": 4, "original_max_position_embeddings": 128, "beta_fast": 30,
                         "beta_slow": 2, "mscale": 0.5, "mscale_all_dim": 0.25, "attention_factor": 1.5,
                         "truncate": false, "rope_theta": 10000})";
  json::object old_one = with("rope_theta", 10000);
  std::string text = yarn;
  old_one["rope_scaling"] = parse_json(text.replace(text.find("TYPE"), 4, "type"), "x");
  json::object new_one = without("rope_theta");
  text = yarn;
  new_one["rope_parameters"] = parse_json(text.replace(text.find("TYPE"), 4, "rope_type"), "x");
  for (const Config& c : {read(old_one), read(new_one)}) {
    EXPECT_EQ(c.rope_theta, 10000);
    ASSERT_TRUE(c.rope_scaling.has_value());
    EXPECT_EQ(c.rope_scaling->factor, 4);
    EXPECT_EQ(c.rope_scaling->original_max_position_embeddings, 128);
    EXPECT_EQ(c.rope_scaling->beta_fast, 30);
    EXPECT_EQ(c.rope_scaling->beta_slow, 2);
    EXPECT_EQ(c.rope_scaling->mscale, 0.5);
    EXPECT_EQ(c.rope_scaling->mscale_all_dim, 0.25);
    EXPECT_EQ(c.rope_scaling->attention_factor, 1.5);
    EXPECT_FALSE(c.rope_scaling->truncate);
    const double s = 0.1 * 0.25 * std::log(4.0) + 1;
    EXPECT_FLOAT_EQ(c.attention_scale(), static_cast<float>(s * s / std::sqrt(80.0)));
  }
}

TEST(Config, AFaultInsideTheRopeFieldsIsNamedWithTheirPath) {
  const auto scaling = [](std::string_view text) { return read(with("rope_scaling", parse_json(text, "x"))); };
  EXPECT_ERROR(scaling(R"({"type": "yarn", "original_max_position_embeddings": 128})"), ErrorKind::bad_file,
               AllOf(HasSubstr("rope_scaling"), HasSubstr("'factor'")));
  EXPECT_ERROR(scaling(R"({"type": "yarn", "factor": 0.5, "original_max_position_embeddings": 128})"),
               ErrorKind::bad_file, AllOf(HasSubstr("rope_scaling"), HasSubstr("'factor'")));
  EXPECT_ERROR(scaling(R"({"type": "yarn", "factor": 4})"), ErrorKind::bad_file,
               HasSubstr("'original_max_position_embeddings'"));
  EXPECT_ERROR(scaling(R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": 128, "beta_fast": "x"})"),
               ErrorKind::bad_file, HasSubstr("'beta_fast'"));
  const std::string complete = R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": 128, )";
  EXPECT_ERROR(scaling(complete + R"("attention_factor": -1})"), ErrorKind::bad_file, HasSubstr("'attention_factor'"));
  EXPECT_ERROR(scaling(complete + R"("attention_factor": "1"})"), ErrorKind::bad_file, HasSubstr("'attention_factor'"));
  EXPECT_ERROR(scaling(complete + R"("truncate": 1})"), ErrorKind::bad_file, HasSubstr("'truncate'"));
  EXPECT_ERROR(scaling(R"({"type": "llama3", "factor": 4})"), ErrorKind::unsupported, HasSubstr("llama3"));
  json::object object = without("rope_theta");
  object["rope_parameters"] = parse_json(R"({"rope_type": "default"})", "x");
  EXPECT_ERROR(read(object), ErrorKind::bad_file, names("rope_theta"));
}

// What transformers 5 writes into config.json for this model.
TEST(Config, ReadsTheSpellingsOfTransformers5) {
  json::object object = base();
  for (const char* old_one : {"rope_theta", "rope_scaling", "partial_rotary_factor", "first_k_dense_replace",
                              "torch_dtype", "topk_method", "scoring_func", "moe_layer_freq", "head_dim"}) {
    object.erase(old_one);
  }
  object["dtype"] = "bfloat16";
  object["mlp_layer_types"] = {"dense", "sparse", "sparse"};
  object["rope_parameters"] = {{"partial_rotary_factor", 1.0}, {"rope_theta", 1e6}, {"rope_type", "default"}};
  object["qk_head_dim"] = 80;
  const Config c = read(object), wanted = read(base());
  EXPECT_EQ(c.rope_theta, 1e6);
  EXPECT_FALSE(c.rope_scaling.has_value());
  EXPECT_EQ(c.is_moe_layer, wanted.is_moe_layer);
  EXPECT_EQ(c.dtype, "bfloat16");
}

TEST(Config, RopeThetaMayBeInRopeScalingAlone) {
  json::object object = without("rope_theta");
  object["rope_scaling"] = {{"rope_type", "default"}, {"rope_theta", 5000}};
  EXPECT_EQ(read(object).rope_theta, 5000);
}

TEST(Config, APartialRotationIsRefusedWhereverItIsWritten) {
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    json::object object = base();
    object[name] = {{"partial_rotary_factor", 0.5}, {"rope_theta", 1e6}, {"rope_type", "default"}};
    EXPECT_ERROR(read(object), ErrorKind::unsupported,
                 AllOf(HasSubstr(name), HasSubstr("'partial_rotary_factor' is 0.5")));
  }
}

TEST(Config, TwoScalingsMustBeTheSame) {
  const json::object yarn = {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 128}};
  json::object object = with("rope_scaling", yarn);
  object["rope_parameters"] = yarn;
  EXPECT_EQ(read(object).rope_scaling->factor, 4);
  object["rope_parameters"].as_object()["factor"] = 8;
  EXPECT_ERROR(read(object), ErrorKind::bad_file, AllOf(names("rope_scaling"), HasSubstr("'rope_parameters'")));
}

TEST(Config, AModelTypeStandsInForAMissingArchitecture) {
  for (const json::value& nothing : {json::value(nullptr), json::value(json::array{})}) {
    json::object object = with("architectures", nothing);
    object["model_type"] = "glm4_moe_lite";
    EXPECT_EQ(read(object).architecture, "Glm4MoeLiteForCausalLM");
  }
  json::object object = without("architectures");
  object["model_type"] = "glm4_moe_lite";
  EXPECT_EQ(read(object).architecture, "Glm4MoeLiteForCausalLM");
  object["model_type"] = "llama";
  EXPECT_ERROR(read(object), ErrorKind::unsupported,
               AllOf(HasSubstr("model_type 'llama'"), HasSubstr("glm4_moe_lite")));
  object.erase("model_type");
  EXPECT_ERROR(read(object), ErrorKind::bad_file, AllOf(names("architectures"), HasSubstr("'model_type'")));
  object["model_type"] = 4;
  EXPECT_ERROR(read(object), ErrorKind::bad_file, names("model_type"));
}

TEST(Config, MlpLayerTypesSayWhichLayersAreDense) {
  json::object object = without("first_k_dense_replace");
  object["mlp_layer_types"] = {"sparse", "dense", "sparse"};
  EXPECT_EQ(read(object).is_moe_layer, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(read(with("first_k_dense_replace", 0)).is_moe_layer, (std::vector<bool>{true, true, true}));
  EXPECT_EQ(read(with("first_k_dense_replace", 3)).is_moe_layer, (std::vector<bool>{false, false, false}));
}

TEST(Config, AnEndTokenMayBeANumberOrAList) {
  EXPECT_EQ(read(with("eos_token_id", 7)).eos_token_id, (std::vector<TokenId>{7}));
  EXPECT_EQ(read(with("eos_token_id", {7, 8})).eos_token_id, (std::vector<TokenId>{7, 8}));
  EXPECT_TRUE(read(with("eos_token_id", nullptr)).eos_token_id.empty());
}

TEST(Config, QuantizationHasADefaultAndTensorsThatDiffer) {
  const Config c = read(with("quantization", parse_json(R"({"group_size": 64, "bits": 4, "mode": "affine",
      "lm_head": {"bits": 8, "group_size": 32}, "model.layers.0.self_attn.o_proj": false,
      "model.layers.0.mlp.up_proj": true, "model.embed_tokens": {"mode": "mxfp8", "bits": 8, "group_size": 32}})",
                                                        "x")));
  const QuantizationConfig& q = c.quantization;
  EXPECT_EQ(q.fallback, (Quantization{QuantMode::affine, 4, 64}));
  EXPECT_EQ(q.overrides.at("lm_head"), (Quantization{QuantMode::affine, 8, 32}));
  EXPECT_EQ(q.overrides.at("model.layers.0.self_attn.o_proj"), std::nullopt);
  EXPECT_EQ(q.overrides.at("model.layers.0.mlp.up_proj"), (Quantization{QuantMode::affine, 4, 64}));
  EXPECT_EQ(q.overrides.at("model.embed_tokens"), (Quantization{QuantMode::mxfp8, 8, 32}));
}

TEST(Config, ImpossibleQuantizationsAreNamed) {
  const auto quantization = [](const char* text) { return read(with("quantization", parse_json(text, "x"))); };
  EXPECT_ERROR(quantization(R"({"bits": 7, "group_size": 64})"), ErrorKind::unsupported, HasSubstr("7 bits"));
  EXPECT_ERROR(quantization(R"({"bits": 4, "group_size": 48})"), ErrorKind::unsupported, HasSubstr("groups of 48"));
  EXPECT_ERROR(quantization(R"({"bits": 4, "group_size": 64, "mode": "gptq"})"), ErrorKind::unsupported,
               AllOf(HasSubstr("gptq"), HasSubstr("affine, mxfp4, mxfp8, nvfp4")));
  EXPECT_ERROR(quantization(R"({"bits": "4", "group_size": 64})"), ErrorKind::bad_file, HasSubstr("'bits'"));
  EXPECT_ERROR(quantization(R"({"bits": 4, "group_size": 64, "lm_head": {"bits": 9}})"), ErrorKind::unsupported,
               HasSubstr("lm_head"));
  const auto config = [](const char* text) { return read(with("quantization_config", parse_json(text, "x"))); };
  for (const char* method : {"gptq", "awq", "fp8", "compressed-tensors", "modelopt", "bitsandbytes"}) {
    EXPECT_ERROR(config(fmt::format(R"({{"quant_method": "{}", "bits": 4}})", method).c_str()), ErrorKind::unsupported,
                 AllOf(HasSubstr(method), HasSubstr("quantized by MLX")));
  }
  EXPECT_ERROR(config(R"({"bits": 4, "group_size": 64, "model.layers.0.mlp.up_proj": "8bit"})"), ErrorKind::bad_file,
               AllOf(HasSubstr("'model.layers.0.mlp.up_proj'"), HasSubstr("8bit")));
}

TEST(Config, FileErrorsNameTheFile) {
  const TemporaryFolder folder;
  EXPECT_ERROR(Config::from_folder(folder.path()), ErrorKind::not_found, HasSubstr("config.json"));
  folder.write("config.json", "[1, 2]");
  EXPECT_ERROR(Config::from_folder(folder.path()), ErrorKind::bad_file, HasSubstr("config.json"));
  folder.write("config.json", "{\"architectures\": ");
  EXPECT_ERROR(Config::from_folder(folder.path()), ErrorKind::bad_file, HasSubstr("config.json"));
}

}  // namespace
}  // namespace glimt

// GGUF files to models: the parts beside MLX's own dequantization, and the model beside one of floats.
#include "convert/convert.h"
#include "convert/gguf_recipe.h"

#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/gguf_blocks.h"
#include "checkpoint/gguf_golden.h"
#include "model/checkpoint.h"

namespace glimt::convert {
namespace {

using testing::HasSubstr;

// Q6_K, Q4_K and so on are beside gguf-py in gguf_blocks_test; here, two types that a test can write.
std::pair<GgufType, std::string> mixed(const std::string& name, const GgufSourceTensor& tensor) {
  if (name.find("exps") != std::string::npos) return {GgufType::q4_0, q4_0_bytes(tensor.values)};
  return {GgufType::q8_0, q8_0_bytes(tensor.values)};
}

class GgufConversion : public testing::Test {
 protected:
  std::shared_ptr<const GgufModel> open(const std::string& golden, const GoldenGguf::Store& store = mixed) const {
    return std::make_shared<const GgufModel>(files_.write("model.gguf", GoldenGguf(golden).build(store)));
  }

  std::filesystem::path convert(const std::shared_ptr<const GgufModel>& model, const Recipe& recipe) const {
    Conversion conversion(model, small_.path(), {.recipe = recipe, .notes = {{"format", "mlx"}}});
    conversion.run(files_.path() / "made", files_.path() / "journal", [](const ConvertProgress&) {});
    return files_.path() / "made";
  }

  TemporaryFolder files_, small_;
};

std::vector<float> dequantized(const GgufModel& model, const GgufEntry& entry) {
  std::size_t count = 1;
  for (const int size : entry.shape) count *= static_cast<std::size_t>(size);
  std::vector<float> values(count);
  dequantize_gguf(entry.type, {model.map()->data() + entry.offset, entry.nbytes}, values);
  return values;
}

mx::array array_of_values(const GgufModel& model, const GgufEntry& entry) {
  const std::vector<float> values = dequantized(model, entry);
  const mx::array array(values.data(), mlx_shape(entry.shape));
  mx::eval(array);
  return array;
}

// MLX's dequantization of the result is ggml's of the file, to the bit.
TEST_F(GgufConversion, BlocksAreMlxGroups) {
  const auto model = open("mtp");
  const SafetensorsFile made(convert(model, gguf_recipe(*model)) / "model.safetensors");
  int quantized = 0;
  for (const auto& [name, entry] : model->tensors()) {
    const auto q = gguf_groups(entry.type);
    if (!q) continue;
    ++quantized;
    const std::string path = name.substr(0, name.size() - std::string(".weight").size());
    EXPECT_EQ(made.tensors().at(path + ".scales").dtype, Dtype::f16);
    const mx::array values =
        mx::dequantize(array_of(made, name), mx::astype(array_of(made, path + ".scales"), mx::float32),
                       mx::astype(array_of(made, path + ".biases"), mx::float32), 32, q->bits);
    EXPECT_TRUE(mx::array_equal(values, array_of_values(*model, entry)).item<bool>()) << name;
  }
  EXPECT_GT(quantized, 30);
}

// The model computes what one of floats with the same values does.
TEST_F(GgufConversion, TheModelComputesWhatItsValuesDo) {
  for (const char* golden : {"base", "two_dense"}) {
    SCOPED_TRACE(golden);
    const auto model = open(golden);
    Checkpoint floats{.config = model->config(), .tensors = {}, .metadata = {{"format", "mlx"}}};
    for (const auto& [name, entry] : model->tensors()) {
      const mx::array values = array_of_values(*model, entry);
      const bool is_cast = !gguf_groups(entry.type) && !name.ends_with("e_score_correction_bias");
      floats.set(name, is_cast ? mx::astype(mx::astype(values, mx::bfloat16), mx::float32) : values);
    }
    const TemporaryFolder folder;
    floats.write(folder.path());
    const LoadedModel wanted = load_model(folder.path(), {.exact = true});
    const LoadedModel got = load_model(convert(model, gguf_recipe(*model)), {.exact = true});
    EXPECT_LT(worst_difference(logits_for(*got.model, golden), logits_for(*wanted.model, golden)), 2e-4f);
    std::filesystem::remove_all(files_.path() / "made");
  }
}

// A code book is no group of MLX: affine with two bits more, whose error is a sixty-fourth of the group's range at most.
TEST_F(GgufConversion, WhatIsNoGroupIsQuantizedAgain) {
  const auto model = open("base", [](const std::string& name, const GgufSourceTensor& tensor) {
    if (name.find("ffn_down") == std::string::npos) return mixed(name, tensor);
    return std::pair(GgufType::iq4_nl, iq4_nl_bytes(tensor.values));
  });
  const Recipe recipe = gguf_recipe(*model);
  const SafetensorsFile made(convert(model, recipe) / "model.safetensors");
  const std::string path = "model.layers.1.mlp.switch_mlp.down_proj";
  const mx::array wanted = array_of_values(*model, model->tensors().at(path + ".weight"));
  const mx::array got =
      mx::dequantize(array_of(made, path + ".weight"), mx::astype(array_of(made, path + ".scales"), mx::float32),
                     mx::astype(array_of(made, path + ".biases"), mx::float32), 32, 6);
  const mx::array groups = mx::unflatten(wanted, -1, {-1, 32});
  const mx::array range = mx::subtract(mx::max(groups, -1, true), mx::min(groups, -1, true));
  const mx::array error = mx::abs(mx::subtract(mx::unflatten(got, -1, {-1, 32}), groups));
  EXPECT_LT(mx::max(mx::divide(error, range)).item<float>(), 1.0f / 64);
  const std::vector<GgufUse> uses = gguf_uses(*model, recipe);
  const auto use = std::find_if(uses.begin(), uses.end(), [](const GgufUse& one) { return one.type == "IQ4_NL"; });
  ASSERT_NE(use, uses.end());
  EXPECT_EQ(use->becomes, "affine 6 bits group 32");
  EXPECT_FALSE(use->carried);
  EXPECT_EQ(use->matrices, 5u) << "of a dense layer, and of two layers' experts and shared experts";
}

TEST_F(GgufConversion, ThePredictionLayerComesAlong) {
  const auto model = open("mtp");
  EXPECT_TRUE(load_model(convert(model, gguf_recipe(*model))).model->has_mtp());
}

TEST_F(GgufConversion, UsesAreCounted) {
  const auto model = open("base");
  std::string text;
  for (const GgufUse& use : gguf_uses(*model, gguf_recipe(*model))) {
    text += fmt::format("{} {} {} {}\n", use.type, use.becomes, use.carried, use.matrices);
  }
  EXPECT_THAT(text, HasSubstr("F32 floats true 2\n"));  // routers
  EXPECT_THAT(text, HasSubstr("Q4_0 affine 4 bits group 32 true 6\n"));
  EXPECT_THAT(text, HasSubstr("Q8_0 affine 8 bits group 32 true"));
  const Recipe uniform = uniform_recipe({QuantMode::affine, 4, 64});
  for (const GgufUse& use : gguf_uses(*model, uniform)) EXPECT_EQ(use.carried, use.type == "F32") << use.type;
}

TEST_F(GgufConversion, AKilledOneGoesOn) {
  const auto model = open("base");
  const auto stop = [](const ConvertProgress& progress) {
    if (progress.done > progress.total / 2) throw Error(ErrorKind::cancelled, "stopped");
  };
  const auto run = [&](const std::shared_ptr<const GgufModel>& source, auto tell) {
    std::uint64_t first = 0;
    Conversion conversion(source, small_.path(), {.recipe = gguf_recipe(*source), .notes = {}});
    conversion.run(files_.path() / "made", files_.path() / "journal", [&](const ConvertProgress& progress) {
      if (first == 0) first = progress.done;
      tell(progress);
    });
    return first;
  };
  EXPECT_ERROR(run(model, stop), ErrorKind::cancelled, "stopped");
  const auto finish = [](const ConvertProgress&) {};
  EXPECT_GT(run(model, finish), 100'000u) << "what was finished is not made again";
  const std::string whole = read_file(files_.path() / "made" / "model.safetensors");
  std::filesystem::remove_all(files_.path() / "made");
  std::filesystem::remove_all(files_.path() / "journal");
  run(model, finish);
  EXPECT_EQ(read_file(files_.path() / "made" / "model.safetensors"), whole);
}

TEST_F(GgufConversion, TheTemplateIsTakenWhereTheFolderHasNone) {
  const auto with_template = [&] {
    return std::make_shared<const GgufModel>(
        files_.write("model.gguf", GoldenGguf("base").build(mixed, "{{ messages }}")));
  };
  const auto made_template = [&] {
    const auto model = with_template();
    const std::filesystem::path file = convert(model, gguf_recipe(*model)) / "chat_template.jinja";
    std::string text = std::filesystem::exists(file) ? read_file(file) : "none";
    std::filesystem::remove_all(files_.path() / "made");
    return text;
  };
  EXPECT_EQ(made_template(), "{{ messages }}");
  small_.write("tokenizer_config.json", R"({"chat_template": "its own"})");
  EXPECT_EQ(made_template(), "none") << "that of tokenizer_config.json counts";
  small_.write("chat_template.jinja", "its own, too");
  EXPECT_EQ(made_template(), "its own, too");
}

TEST_F(GgufConversion, WrongShapesAndBadScalesAreNamed) {
  const auto wrong = open("base", [](const std::string& name, const GgufSourceTensor& tensor) {
    std::pair stored = mixed(name, tensor);
    if (name == "blk.1.attn_output.weight") stored.second[0] = '\0', stored.second[1] = '\x7c';  // infinity
    return stored;
  });
  EXPECT_ERROR(convert(wrong, gguf_recipe(*wrong)), ErrorKind::bad_file,
               testing::AllOf(HasSubstr("model.gguf"), HasSubstr("blk.1.attn_output.weight"), HasSubstr("float16")));
}

}  // namespace
}  // namespace glimt::convert

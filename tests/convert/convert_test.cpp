// Whole conversions of golden checkpoints: what comes out, from every layout; what is kept after a stop; what is refused.
#include "convert/convert.h"

#include "base/throws.h"
#include "checkpoint/summary.h"
#include "model/layouts.h"

#include <fmt/format.h>

namespace glimt::convert {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Quantization kAffine4{QuantMode::affine, 4, 64};

ConvertOptions uniform(const Quantization& q) {
  return {.recipe = uniform_recipe(q), .notes = {{"format", "mlx"}}, .threads = 2};
}
ConvertOptions floats() { return {.recipe = float_recipe(), .notes = {}, .threads = 2}; }
ConvertOptions repacked() { return {.recipe = {}, .repack = true, .notes = {}, .threads = 2}; }

void run(const fs::path& source, const fs::path& target, const ConvertOptions& options) {
  Conversion(source, options).run(target, target.parent_path() / "journal", [](const ConvertProgress&) {});
}

// A checkpoint, written, and what a conversion makes of it.
struct Made {
  TemporaryFolder folder;
  fs::path source = folder.path() / "source", target = folder.path() / "target";

  Made(const Checkpoint& checkpoint, const ConvertOptions& options) {
    fs::create_directories(source);
    checkpoint.write(source);
    run(source, target, options);
  }

  Checkpoint read() const {
    Checkpoint made;
    made.config = Config::read(target);
    const SafetensorsFile file(target / "model.safetensors");
    for (const auto& [name, info] : file.tensors()) made.tensors.emplace(name, array_of(file, info));
    made.metadata.insert(file.metadata().begin(), file.metadata().end());
    return made;
  }
};

bool same(const mx::array& a, const mx::array& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && mx::array_equal(a, b).item<bool>();
}

// What mlx_lm.convert makes of a checkpoint in its layout.
Checkpoint quantized_by_mlx(Checkpoint checkpoint, const Quantization& q) {
  for (const auto& [name, value] : Checkpoint(checkpoint).tensors) {
    const bool matrix = value.ndim() >= 2 && name.ends_with(".weight") && !name.ends_with(".mlp.gate.weight");
    if (!matrix || value.shape(-1) % q.group_size != 0) continue;
    const std::string path = name.substr(0, name.size() - std::string_view(".weight").size());
    const auto parts = mx::quantize(value, q.group_size, q.bits, q.mode_name());
    checkpoint.set(name, parts[0]);
    checkpoint.set(path + ".scales", parts[1]);
    if (parts.size() > 2) checkpoint.set(path + ".biases", parts[2]);
  }
  return checkpoint;
}

void expect_same_tensors(const Checkpoint& got, const Checkpoint& wanted) {
  for (const auto& [name, value] : wanted.tensors) {
    ASSERT_TRUE(got.tensors.contains(name)) << name;
    EXPECT_TRUE(same(got.tensors.at(name), value)) << name;
  }
  for (const auto& [name, value] : got.tensors) EXPECT_TRUE(wanted.tensors.contains(name)) << name;
}

TEST(Convert, GivesMlxsBitsInMlxLmsLayoutFromEveryLayout) {
  for (const Quantization& q : {kAffine4, Quantization{QuantMode::affine, 3, 32}, Quantization{QuantMode::mxfp4, 4, 32},
                                Quantization{QuantMode::mxfp8, 8, 32}, Quantization{QuantMode::nvfp4, 4, 16}}) {
    const Checkpoint wanted = quantized_by_mlx(mlx_lm_layout(), q);
    for (const Checkpoint& source : {Checkpoint::read("base"), mlx_lm_layout(), ollama_layout(), fused_layout()}) {
      expect_same_tensors(Made(source, uniform(q)).read(), wanted);
    }
  }
}

TEST(Convert, KeepsTheMtpLayerAndEveryShapeOfModel) {
  for (const char* name : {"mtp", "no_q_lora", "two_dense", "oracle_yarn_mtp", "bf16", "groups"}) {
    const Made made(Checkpoint::read(name), uniform(kAffine4));
    expect_same_tensors(made.read(), quantized_by_mlx(mlx_lm_layout(name), kAffine4));
  }
}

TEST(Convert, FloatsGiveTheGoldenNumbers) {
  for (const Checkpoint& source : {Checkpoint::read("base"), fused_layout(), ollama_layout()}) {
    const Made made(source, floats());
    expect_golden(*load_model(made.target, {.exact = true}).model, "base");
  }
  expect_golden(*load_model(Made(Checkpoint::read("mtp"), floats()).target, {.exact = true}).model, "mtp");
}

TEST(Convert, RepackingQuantizedModelsKeepsTheirNumbers) {
  for (const char* name : {"base_affine4_g64", "base_affine4_g32", "base_affine8_g64", "base_mxfp4_g32",
                           "base_mxfp8_g32", "base_nvfp4_g16", "base_ollama_int4"}) {
    const Made made(Checkpoint::read(name), repacked());
    const mx::array wanted = logits_for(*Checkpoint::read(name).load().model);
    EXPECT_LE(worst_difference(logits_for(*load_model(made.target, {.exact = true}).model), wanted), 2e-4f) << name;
    const ModelSummary summary = summarize(made.target);
    EXPECT_TRUE(summary.config.quantization.fallback.has_value()) << name;
  }
}

TEST(Convert, RepackingCopiesCodes) {
  const Checkpoint source = Checkpoint::read("base_affine4_g64");  // of mlx-lm
  expect_same_tensors(Made(source, repacked()).read(), source);
  expect_same_tensors(Made(source, uniform(kAffine4)).read(), source);  // what it is already, is not made again
}

TEST(Convert, DequantizedFloatsAreThoseOfMlx) {
  const Checkpoint source = Checkpoint::read("base_affine4_g64");
  const Checkpoint made = Made(source, floats()).read();
  const mx::array wanted = mx::dequantize(source.tensors.at("lm_head.weight"), source.tensors.at("lm_head.scales"),
                                          source.tensors.at("lm_head.biases"), 64, 4);
  EXPECT_TRUE(same(made.tensors.at("lm_head.weight"), wanted));
  EXPECT_FALSE(made.config.contains("quantization") || made.config.contains("quantization_config"));
}

// Ollama's nvfp4 has a factor beside each matrix; MLX's means another unit.
TEST(Convert, RepackingKeepsGlobalScales) {
  Checkpoint source = ollama_layout();
  const auto parts = mx::quantize(source.pull("model.layers.1.mlp.experts.up_proj.weight"), 16, 4, "nvfp4");
  source.set("model.layers.1.mlp.experts.up_proj.weight", parts[0]);
  source.set("model.layers.1.mlp.experts.up_proj.weight.scale", parts[1]);
  source.set("model.layers.1.mlp.experts.up_proj.weight.global_scale", mx::linspace(0.2, 3.0, 8, mx::float32));
  source.metadata = {{"quant_type", "nvfp4"}, {"group_size", "16"}};
  const mx::array wanted = logits_for(*source.load().model);
  const Made made(source, repacked());
  EXPECT_LE(worst_difference(logits_for(*load_model(made.target, {.exact = true}).model), wanted), 2e-4f);
}

TEST(Convert, CastsToTorchDtypeButNotTheCorrectionBias) {
  Checkpoint source = Checkpoint::read("base");
  source.config["torch_dtype"] = "bfloat16";
  Checkpoint wanted = mlx_lm_layout();
  for (auto& [name, value] : wanted.tensors) {
    if (!name.ends_with("e_score_correction_bias")) value = mx::astype(value, mx::bfloat16);
  }
  expect_same_tensors(Made(source, uniform(kAffine4)).read(), quantized_by_mlx(wanted, kAffine4));
  source.config["dtype"] = "bfloat16";  // the newer name casts nothing
  source.config.erase("torch_dtype");
  expect_same_tensors(Made(source, uniform(kAffine4)).read(), quantized_by_mlx(mlx_lm_layout(), kAffine4));
}

TEST(Convert, RecipesWriteWhatDiffersIntoTheConfiguration) {
  const Made made(Checkpoint::read("mtp"),
                  {.recipe = recipe_named("balanced"), .search = true, .notes = {}, .threads = 2});
  const Checkpoint result = made.read();
  const json::object& q = result.config.at("quantization").get_object();
  EXPECT_EQ(q, result.config.at("quantization_config").get_object());
  const auto bits_of = [&](const std::string& path) {
    return (q.contains(path) ? q.at(path).get_object() : q).at("bits").as_int64();
  };
  for (const char* path :
       {"lm_head", "model.embed_tokens", "model.layers.0.mlp.down_proj", "model.layers.1.mlp.shared_experts.up_proj",
        "model.layers.2.self_attn.embed_q", "model.layers.3.eh_proj"}) {
    EXPECT_EQ(bits_of(path), 8) << path;
  }
  for (const int layer : {1, 2, 3}) {
    EXPECT_EQ(bits_of(fmt::format("model.layers.{}.mlp.switch_mlp.down_proj", layer)), 4) << layer;
  }
  EXPECT_EQ(result.tensors.at("model.layers.1.mlp.gate.weight").dtype(), mx::float32);
  load_model(made.target);
}

TEST(Convert, DataIsAlignedAndTheIndexTellsTheTruth) {
  const Made made(Checkpoint::read("mtp"), uniform({QuantMode::nvfp4, 4, 16}));
  const SafetensorsFile file(made.target / "model.safetensors");
  std::size_t total = 0;
  for (const auto& [name, info] : file.tensors()) {
    EXPECT_EQ(info.offset % size_of(info.dtype), 0U) << name;
    EXPECT_TRUE(info.offset % 64 == 0 || info.nbytes % 64 != 0) << name;
    total += info.nbytes;
  }
  EXPECT_EQ(file.metadata().at("format"), "mlx");
  const json::object index = parse_json_file(made.target / "model.safetensors.index.json").get_object();
  EXPECT_EQ(index.at("metadata").at("total_size"), total);
  const json::object& map = index.at("weight_map").get_object();
  EXPECT_EQ(map.size(), file.tensors().size());
  for (const auto& [name, info] : file.tensors()) EXPECT_EQ(map.at(name), "model.safetensors");
}

TEST(Convert, CopiesTokenizerAndTemplateAsTheyAre) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "source");
  Checkpoint::read("base").write(folder.path() / "source");
  for (const char* name : {"tokenizer.json", "chat_template.jinja", "generation_config.json", "LICENSE"}) {
    folder.write(fs::path("source") / name, fmt::format("the {}\n", name));
  }
  folder.write("source/pytorch_model.bin", "no");
  folder.write("source/.hidden.json", "no");
  run(folder.path() / "source", folder.path() / "target", uniform(kAffine4));
  for (const char* name : {"tokenizer.json", "chat_template.jinja", "generation_config.json", "LICENSE"}) {
    EXPECT_EQ(read_file(folder.path() / "target" / name), fmt::format("the {}\n", name));
  }
  EXPECT_FALSE(fs::exists(folder.path() / "target" / "pytorch_model.bin"));
  EXPECT_FALSE(fs::exists(folder.path() / "target" / ".hidden.json"));
}

// ---- Stops

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files[entry.path().filename()] = read_file(entry.path());
  return files;
}

TEST(Convert, GoesOnWhereItWasStopped) {
  const Made whole(Checkpoint::read("mtp"), uniform(kAffine4));
  const fs::path target = whole.folder.path() / "again", journal = whole.folder.path() / "journal2";
  std::uint64_t last = 0, total = 0;
  for (int stops = 0; !fs::exists(target / "config.json"); ++stops) {
    ASSERT_LT(stops, 100);
    Conversion conversion(whole.source, uniform(kAffine4));
    bool first = true;
    int told = 0;
    try {
      conversion.run(target, journal, [&](const ConvertProgress& progress) {
        EXPECT_TRUE(!first || progress.done >= last) << "a part that was finished is made again";
        first = false;
        last = progress.done;
        total = progress.total;
        if (++told == 7) throw Error(ErrorKind::cancelled, "enough");
      });
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::cancelled);
      last = last > 200000 ? last - 200000 : 0;  // the unit that the stop fell into
    }
  }
  EXPECT_EQ(last, total);
  EXPECT_EQ(contents(target), contents(whole.target));
}

TEST(Convert, BeginsAnewForOtherOptionsOrFilesThatChanged) {
  const Made whole(Checkpoint::read("base"), uniform(kAffine4));
  const fs::path target = whole.folder.path() / "again", journal = whole.folder.path() / "journal2";
  const auto stop_half_way = [&](const ConvertOptions& options) {
    const auto tell = [](const ConvertProgress& p) {
      if (p.done > p.total / 2) throw Error(ErrorKind::cancelled, "enough");
    };
    EXPECT_ERROR(Conversion(whole.source, options).run(target, journal, tell), ErrorKind::cancelled, "enough");
  };
  const auto finish = [&] {
    Conversion(whole.source, uniform(kAffine4)).run(target, journal, [](const ConvertProgress&) {});
    EXPECT_EQ(contents(target), contents(whole.target));
    fs::remove_all(target);
  };
  stop_half_way(uniform({QuantMode::affine, 8, 64}));
  finish();
  stop_half_way(uniform(kAffine4));
  fs::resize_file(target / "model.safetensors", 1000);
  finish();
  stop_half_way(uniform(kAffine4));
  fs::remove(target / "model.safetensors");
  finish();
  write_file_atomically(journal, "nonsense\nlm_head.weight\n");
  finish();
}

TEST(Convert, OneThreadAndManyGiveTheSameFiles) {
  ConvertOptions one = uniform(kAffine4), many = one;
  one.threads = 1;
  many.threads = 9;
  EXPECT_EQ(contents(Made(Checkpoint::read("mtp"), one).target), contents(Made(Checkpoint::read("mtp"), many).target));
}

// ---- Refusals

TEST(Convert, NamesTheTensorAndThePlaceOfAValueThatIsNotFinite) {
  Checkpoint source = Checkpoint::read("base");
  const std::string name = "model.layers.1.mlp.experts.3.up_proj.weight";
  mx::array value = mx::contiguous(source.at(name));
  mx::eval(value);
  mx::array broken = mx::copy(value);
  mx::eval(broken);
  broken.data<float>()[5 * broken.shape(1) + 7] = std::numeric_limits<float>::quiet_NaN();
  source.set(name, broken);
  EXPECT_ERROR(Made(source, uniform(kAffine4)), ErrorKind::bad_file,
               AllOf(HasSubstr(name), HasSubstr("row 5, column 7"), HasSubstr("nan")));
  source = Checkpoint::read("base");
  source.set("model.norm.weight", mx::full({64}, std::numeric_limits<float>::infinity()));
  EXPECT_ERROR(Made(source, uniform(kAffine4)), ErrorKind::bad_file, HasSubstr("model.norm.weight"));
}

TEST(Convert, RefusesWhatALoaderWouldRefuse) {
  Checkpoint source = Checkpoint::read("base");
  source.set("model.layers.0.extra.weight", mx::zeros({2, 2}));
  EXPECT_ERROR(Made(source, uniform(kAffine4)), ErrorKind::bad_file, HasSubstr("model.layers.0.extra.weight"));
  source = Checkpoint::read("base");
  source.pull("model.layers.2.mlp.experts.7.up_proj.weight");
  EXPECT_ERROR(Made(source, uniform(kAffine4)), ErrorKind::bad_file, HasSubstr("experts.7.up_proj.weight"));
  source = Checkpoint::read("base");
  source.set("lm_head.weight", mx::zeros({3, 64}));
  EXPECT_ERROR(Made(source, uniform(kAffine4)), ErrorKind::bad_file, HasSubstr("lm_head.weight"));
}

TEST(Convert, RefusesToRepackExpertsOfDifferentKinds) {
  Checkpoint source = Checkpoint::read("base");
  const std::string path = "model.layers.1.mlp.experts.0.up_proj";
  const auto parts = mx::quantize(source.pull(path + ".weight"), 64, 8);
  source.set(path + ".weight", parts[0]);
  source.set(path + ".scales", parts[1]);
  source.set(path + ".biases", parts[2]);
  EXPECT_ERROR(Made(source, repacked()), ErrorKind::unsupported, HasSubstr("model.layers.1.mlp.switch_mlp.up_proj"));
  Made(source, uniform(kAffine4));  // quantized again, they can be stacked
}

}  // namespace
}  // namespace glimt::convert

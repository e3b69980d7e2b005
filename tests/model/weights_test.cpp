// What is wrong with a folder's tensors is said with the tensor's name.
#include "model/weights.h"

#include "base/throws.h"
#include "model/checkpoint.h"

#include <set>

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kQProj = "model.layers.0.self_attn.q_a_proj.weight";

class WeightErrors : public testing::Test {
 protected:
  template <typename Matcher>
  void expect_refused(const Checkpoint& checkpoint, Matcher matcher, ErrorKind kind = ErrorKind::bad_file) {
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    EXPECT_ERROR(load_model(folder.path()), kind, AllOf(HasSubstr(folder.path().string()), matcher));
  }

  Checkpoint base_ = Checkpoint::read("base");
};

// Every tensor of a case (of the experts the first and the last), one after the other, is left out, gets another shape,
// and another dtype.
std::vector<std::string> tensors_of(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const auto& [name, value] : checkpoint.tensors) {
    const std::size_t expert = name.find(".experts.");
    const char number = expert == std::string::npos ? '0' : name[expert + std::string_view(".experts.").size()];
    if (number == '0' || number == '7') names.push_back(name);
  }
  return names;
}

class EveryTensor : public testing::TestWithParam<const char*> {};

TEST_P(EveryTensor, IsMissedWhenItIsNotThere) {
  const Checkpoint complete = Checkpoint::read(GetParam());
  for (const std::string& name : tensors_of(complete)) {
    if (name.ends_with(".shared_head.head.weight") || name == "model.layers.3.embed_tokens.weight")
      continue;  // optional
    SCOPED_TRACE(name);
    Checkpoint checkpoint = complete;
    checkpoint.tensors.erase(name);
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    // A missing stack is looked for as single experts, a missing joined matrix as two halves, missing scales leave a
    // matrix of the wrong type: the layer is named in any case.
    EXPECT_ERROR(load_model(folder.path()), ErrorKind::bad_file,
                 HasSubstr(name.substr(0, name.find(".mlp."))
                               .substr(0, name.find(".self_attn."))
                               .substr(0, name.find(".weight"))
                               .substr(0, name.find(".scales"))
                               .substr(0, name.find(".biases"))));
  }
}

TEST_P(EveryTensor, IsNamedWhenItsShapeIsWrong) {
  const Checkpoint complete = Checkpoint::read(GetParam());
  for (const std::string& name : tensors_of(complete)) {
    const mx::array& value = complete.tensors.at(name);
    SCOPED_TRACE(name);
    Checkpoint checkpoint = complete;
    checkpoint.set(name, mx::concatenate({value, value}, 0));
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    EXPECT_ERROR(load_model(folder.path()), ErrorKind::bad_file, HasSubstr("'" + name + "'"));
  }
}

TEST_P(EveryTensor, IsNamedWhenItsDtypeIsWrong) {
  const Checkpoint complete = Checkpoint::read(GetParam());
  for (const std::string& name : tensors_of(complete)) {
    const mx::array& value = complete.tensors.at(name);
    SCOPED_TRACE(name);
    Checkpoint checkpoint = complete;
    checkpoint.set(name, mx::astype(value, mx::int16));
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    EXPECT_ERROR(load_model(folder.path()), ErrorKind::bad_file, HasSubstr("'" + name + "'"));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, EveryTensor, testing::Values("oracle_yarn_mtp", "base_affine4_g64", "base_nvfp4_g16"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(WeightErrors, SurplusTensorsAreListed) {
  base_.set("model.layers.0.self_attn.extra.weight", mx::zeros({2, 2}));
  expect_refused(base_, AllOf(HasSubstr("1 tensors"), HasSubstr("model.layers.0.self_attn.extra.weight")));
  for (int i = 0; i < 20; ++i) base_.set("stray." + std::to_string(i), mx::zeros({2}));
  expect_refused(base_, AllOf(HasSubstr("21 tensors"), HasSubstr("…")));
}

TEST_F(WeightErrors, AnExpertTooManyOrTooFewIsNamed) {
  const std::string expert = "model.layers.1.mlp.experts.8.gate_proj.weight";
  Checkpoint more = base_;
  more.set(expert, more.at("model.layers.1.mlp.experts.7.gate_proj.weight"));
  expect_refused(more, HasSubstr(expert));
  base_.tensors.erase("model.layers.1.mlp.experts.5.up_proj.weight");
  expect_refused(base_, HasSubstr("'model.layers.1.mlp.experts.5.up_proj.weight'"));
}

TEST_F(WeightErrors, ALayerTooManyIsTakenForAnMtpLayerAndMissed) {
  for (const auto& [name, value] : Checkpoint(base_).tensors) {
    if (name.starts_with("model.layers.2.")) base_.set("model.layers.3." + name.substr(15), value);
  }
  expect_refused(base_, HasSubstr("model.layers.3."));
}

TEST_F(WeightErrors, ABiasIsWantedExactlyWhereTheConfigurationSaysSo) {
  Checkpoint surplus = Checkpoint::read("no_q_lora");
  surplus.config["attention_bias"] = false;
  expect_refused(surplus, HasSubstr("model.layers.0.self_attn.kv_a_proj_with_mqa.bias"));
  base_.config["attention_bias"] = true;
  expect_refused(base_, HasSubstr(".bias"));
}

TEST_F(WeightErrors, ATiedHeadMustNotBeStoredAsWell) {
  base_.config["tie_word_embeddings"] = true;
  expect_refused(base_, HasSubstr("lm_head.weight"));
}

TEST_F(WeightErrors, AMatrixStoredTwiceInTwoLayoutsIsRefused) {
  std::vector<mx::array> experts;
  for (int e = 0; e < 8; ++e)
    experts.push_back(base_.at("model.layers.1.mlp.experts." + std::to_string(e) + ".up_proj.weight"));
  Checkpoint both = base_;
  both.set("model.layers.1.mlp.switch_mlp.up_proj.weight", mx::stack(experts));
  expect_refused(both, HasSubstr("model.layers.1.mlp.experts.0.up_proj.weight"));
  both.set("model.layers.1.mlp.experts.up_proj.weight", mx::stack(experts));  // Ollama's name of the same
  expect_refused(both, AllOf(HasSubstr("switch_mlp.up_proj.weight"), HasSubstr("experts.up_proj.weight")));
  Checkpoint halves = base_;
  halves.set("model.layers.1.self_attn.embed_q.weight", mx::zeros({4, 64, 64}));
  expect_refused(halves, HasSubstr("embed_q.weight"));
}

TEST_F(WeightErrors, QuantizedPartsMustBelongTogether) {
  const Checkpoint good = Checkpoint::read("base_affine4_g64");
  const std::string path = "model.layers.0.self_attn.q_a_proj";
  const auto change = [&](const std::string& part, const mx::array& value) {
    Checkpoint checkpoint = good;
    checkpoint.set(path + part, value);
    return checkpoint;
  };
  expect_refused(change(".scales", mx::zeros({64, 3})), HasSubstr(path + ".scales"));
  expect_refused(change(".scales", mx::zeros({32, 1})), HasSubstr(path + ".scales"));
  expect_refused(change(".scales", mx::zeros({64, 1}, mx::uint8)), HasSubstr(path + ".scales"));
  expect_refused(change(".biases", mx::zeros({64, 2})), HasSubstr(path + ".biases"));
  expect_refused(change(".biases", mx::zeros({64, 1}, mx::bfloat16)), HasSubstr(path + ".biases"));
  expect_refused(change(".weight", mx::zeros({64, 7}, mx::uint32)), HasSubstr(path + ".weight"));
  expect_refused(change(".weight", mx::zeros({64, 14}, mx::uint32)), HasSubstr(path + ".weight"));  // 7 bits
  expect_refused(change(".weight", mx::zeros({64, 16}, mx::uint32)),
                 HasSubstr(path + ".weight"));                                                    // config says 4 bits
  expect_refused(change(".global_scale", mx::array({1.0f})), HasSubstr(path + ".global_scale"));  // not nvfp4
  Checkpoint stray = good;
  stray.tensors.erase(path + ".biases");
  expect_refused(stray, HasSubstr(path));
  Checkpoint nvfp4 = Checkpoint::read("base_nvfp4_g16");
  nvfp4.set(path + ".global_scale", mx::zeros({3}));
  expect_refused(nvfp4, HasSubstr(path + ".global_scale"));
}

TEST_F(WeightErrors, StoredBitsMustBeThoseOfTheConfiguration) {
  Checkpoint checkpoint = Checkpoint::read("base_affine4_g64");
  checkpoint.config["quantization"] = parse_json(R"({"bits": 8, "group_size": 64})", "x");
  expect_refused(checkpoint, AllOf(HasSubstr("affine 4 bits group 64"), HasSubstr("8 bits")));
  checkpoint.config["quantization"] = parse_json(R"({"bits": 4, "group_size": 64, "lm_head": {"bits": 8}})", "x");
  expect_refused(checkpoint, HasSubstr("'lm_head.weight'"));
  checkpoint.config["quantization"] = parse_json(R"({"bits": 4, "group_size": 64, "lm_head": false})", "x");
  expect_refused(checkpoint, HasSubstr("'lm_head.weight'"));
}

TEST_F(WeightErrors, AnUnknownOllamaTypeIsNamed) {
  Checkpoint checkpoint = Checkpoint::read("base_ollama_int4");
  checkpoint.metadata["quant_type"] = "int3";
  expect_refused(checkpoint, HasSubstr("int3"), ErrorKind::unsupported);
  checkpoint.metadata["quant_type"] = "int8";  // the bytes are 4 bits
  expect_refused(checkpoint, HasSubstr(".weight"));
}

TEST_F(WeightErrors, AFloatMatrixThatIsDeclaredQuantizedByNameIsRefused) {
  base_.config["quantization"] = parse_json(R"({"bits": 4, "group_size": 64, "lm_head": {"bits": 8}})", "x");
  expect_refused(base_, AllOf(HasSubstr("'lm_head.weight'"), HasSubstr("quantized (affine 8 bits group 64)")));
  base_.config["quantization"] = parse_json(R"({"bits": 4, "group_size": 64, "lm_head": false})", "x");
  EXPECT_NO_THROW(base_.load());
}

TEST_F(WeightErrors, FilesThatAreSomethingElseAreNamedAsWhatTheyAre) {
  const std::pair<const char*, const char*> kOthers[] = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "Git LFS pointer"},
      {"GGUF\3", "GGUF"},
      {"", "empty"}};
  for (const auto& [content, kind] : kOthers) {
    for (const char* file : {"model.safetensors", "config.json"}) {
      SCOPED_TRACE(std::string(kind) + " as " + file);
      const TemporaryFolder folder;
      base_.write(folder.path());
      folder.write(file, content);
      EXPECT_ERROR(load_model(folder.path()), ErrorKind::bad_file, AllOf(HasSubstr(file), HasSubstr(kind)));
    }
  }
}

// An adapter, a copy in another layout, a backup: none of them is part of the model.
TEST_F(WeightErrors, FilesBesideASingleModelFileDoNotCount) {
  const TemporaryFolder folder;
  base_.write(folder.path());
  for (const char* name : {"adapters.safetensors", "consolidated.safetensors", "model.safetensors.bak"}) {
    folder.write(name, "nothing");
  }
  expect_golden(*load_model(folder.path(), {.exact = true}).model, "base");
}

class Shards : public testing::Test {
 protected:
  static constexpr const char* kFirst = "model-00001-of-00002.safetensors";
  static constexpr const char* kSecond = "model-00002-of-00002.safetensors";

  static bool in_first(const std::string& name) { return name < "model.layers.1.mlp.experts.4"; }

  void SetUp() override {
    checkpoint_.write_config(folder_.path());
    checkpoint_.write_tensors(folder_.path() / kFirst, in_first);
    checkpoint_.write_tensors(folder_.path() / kSecond, [](const std::string& name) { return !in_first(name); });
    json::object map;
    for (const auto& [name, value] : checkpoint_.tensors) map[name] = in_first(name) ? kFirst : kSecond;
    index_["metadata"] = json::object{{"total_size", 1}};
    index_["weight_map"] = map;
    write_index();
  }

  void write_index() { folder_.write("model.safetensors.index.json", json::serialize(index_)); }
  json::object& map() { return index_["weight_map"].get_object(); }
  std::string index_path() const { return (folder_.path() / "model.safetensors.index.json").string(); }

  TemporaryFolder folder_;
  Checkpoint checkpoint_ = Checkpoint::read("base");
  json::object index_;
};

TEST_F(Shards, AreReadThroughTheIndex) { expect_golden(*load_model(folder_.path(), {.exact = true}).model, "base"); }

TEST_F(Shards, AreReadWithoutAnIndex) {
  std::filesystem::remove(index_path());
  expect_golden(*load_model(folder_.path(), {.exact = true}).model, "base");
}

// A folder may hold the same weights in a second form, or a stranger's file; the index says what counts.
TEST_F(Shards, FilesBesideTheIndexDoNotCount) {
  checkpoint_.write_tensors(folder_.path() / "consolidated.safetensors", [](const std::string&) { return true; });
  folder_.write("broken.safetensors", "nothing");
  EXPECT_NO_THROW(load_model(folder_.path()));
}

TEST_F(Shards, AMissingShardIsNamed) {
  std::filesystem::remove(folder_.path() / kSecond);
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::not_found, HasSubstr(kSecond));
}

TEST_F(Shards, AMissingShardIsNamedWithoutAnIndexToo) {
  std::filesystem::remove(folder_.path() / kSecond);
  std::filesystem::remove(index_path());
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::not_found, HasSubstr(kSecond));
}

TEST_F(Shards, AStaleIndexBesideACompleteFileDoesNotCount) {
  checkpoint_.write(folder_.path());
  std::filesystem::remove(folder_.path() / kSecond);
  expect_golden(*load_model(folder_.path(), {.exact = true}).model, "base");
}

TEST_F(Shards, AFolderWithoutWeightsIsNamed) {
  std::filesystem::remove(index_path());
  std::filesystem::remove(folder_.path() / kFirst);
  std::filesystem::remove(folder_.path() / kSecond);
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::not_found,
               AllOf(HasSubstr(folder_.path().string()), HasSubstr("safetensors")));
}

TEST_F(Shards, AnIndexThatPointsOutsideOfTheFolderIsRefused) {
  for (const char* target :
       {"../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", "", "./x.safetensors"}) {
    map()[kQProj] = target;
    write_index();
    EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file,
                 AllOf(HasSubstr("index.json"), HasSubstr("'" + kQProj + "'"), HasSubstr("this folder")));
  }
  map()[kQProj] = 7;
  write_index();
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file, HasSubstr("'" + kQProj + "'"));
}

TEST_F(Shards, ATensorThatIsNotWhereTheIndexSaysIsNamed) {
  map()[kQProj] = kSecond;
  write_index();
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file,
               AllOf(HasSubstr("'" + kQProj + "'"), HasSubstr(kSecond)));
  map()[kQProj] = kFirst;
  map()["model.layers.9.ghost"] = kFirst;
  write_index();
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file, HasSubstr("'model.layers.9.ghost'"));
}

TEST_F(Shards, ATensorInTwoShardsIsNamedWithBoth) {
  checkpoint_.write_tensors(folder_.path() / kSecond,
                            [](const std::string& name) { return !in_first(name) || name == kQProj; });
  EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file,
               AllOf(HasSubstr(kQProj), HasSubstr(kFirst), HasSubstr(kSecond)));
}

TEST_F(Shards, AMalformedIndexIsNamed) {
  for (const char* text : {"", "[]", "{}", R"({"weight_map": []})", "{\"weight_map\": {"}) {
    folder_.write("model.safetensors.index.json", text);
    EXPECT_ERROR(load_model(folder_.path()), ErrorKind::bad_file, HasSubstr("index.json"));
  }
}

TEST(Weights, CountsWhatTheFilesHold) {
  const Config config = Config::from_folder(golden_folder("base"));
  const Weights weights(golden_folder("base"), config.quantization);
  const Checkpoint checkpoint = Checkpoint::read("base");
  std::size_t bytes = 0;
  for (const auto& [name, value] : checkpoint.tensors) bytes += value.nbytes();
  EXPECT_EQ(weights.tensor_count(), checkpoint.tensors.size());
  EXPECT_EQ(weights.total_bytes(), bytes);
  EXPECT_TRUE(weights.has(kQProj));
  EXPECT_TRUE(weights.has_prefix("model.layers.2."));
  EXPECT_FALSE(weights.has_prefix("model.layers.3."));
}

TEST(Weights, ATensorIsTakenOnce) {
  Weights weights(golden_folder("base"), {});
  EXPECT_NO_THROW(weights.take_matrix("model.layers.0.self_attn.q_a_proj", 64, 64));
  EXPECT_ERROR(weights.take_matrix("model.layers.0.self_attn.q_a_proj", 64, 64), ErrorKind::internal,
               HasSubstr(kQProj));
}

}  // namespace
}  // namespace glimt

// The fingerprint changes with everything that the cached rows of a session depend on, and with nothing else.
#include "checkpoint/fingerprint.h"

#include "base/file.h"
#include "base/json.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/golden_folder.h"
#include "checkpoint/safetensors.h"

#include <set>

namespace glimt {
namespace {

using testing::HasSubstr;

class Fingerprint : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"config.json", "model.safetensors"}) {
      std::filesystem::copy_file(golden_folder("base") / name, folder_.path() / name);
    }
    original_ = fingerprint();
  }

  std::string fingerprint() const { return checkpoint_fingerprint(folder_.path()); }
  std::string weights() const { return read_file(folder_.path() / "model.safetensors"); }
  void set_weights(const std::string& content) { folder_.write("model.safetensors", content); }

  TemporaryFolder folder_;
  std::string original_;
};

TEST_F(Fingerprint, IsTheSameForTheSameFilesWhereverTheyLie) {
  EXPECT_EQ(original_.size(), 36u);
  EXPECT_EQ(fingerprint(), original_);
  EXPECT_EQ(checkpoint_fingerprint(golden_folder("base")), original_);
  folder_.write("tokenizer_config.json", "{}");
  folder_.write("adapters.safetensors", "not read");
  EXPECT_EQ(fingerprint(), original_);
}

TEST_F(Fingerprint, ChangesWithEveryFieldOfTheConfiguration) {
  json::object config = parse_json_file(folder_.path() / "config.json").get_object();
  std::set<std::string> seen = {original_};
  for (const auto& [field, value] : std::map<std::string, json::value>{
           {"rope_theta", 5000}, {"routed_scaling_factor", 2.5}, {"rms_norm_eps", 1e-6}, {"rope_interleave", false}}) {
    json::object changed = config;
    changed[field] = value;
    folder_.write("config.json", json::serialize(changed));
    EXPECT_TRUE(seen.insert(fingerprint()).second) << field;
  }
}

// A fine-tuning may touch a single tensor, and the smallest there is.
TEST_F(Fingerprint, ChangesWithEveryTensor) {
  const std::string content = weights();
  const SafetensorsFile file(golden_folder("base") / "model.safetensors");
  std::set<std::string> seen = {original_};
  for (const auto& [name, info] : file.tensors()) {
    std::string changed = content;
    for (std::size_t i = 0; i < info.nbytes; i += 100) changed[info.offset + i] ^= 1;
    set_weights(changed);
    EXPECT_TRUE(seen.insert(fingerprint()).second) << name;
  }
}

TEST_F(Fingerprint, ChangesWithTheHeaderAndWithTheFirstAndTheLastByte) {
  const std::string content = weights();
  const SafetensorsFile file(golden_folder("base") / "model.safetensors");
  std::set<std::string> seen = {original_};
  for (const std::size_t at : {sizeof(std::uint64_t) + file.header_text().size(), content.size() - 1}) {
    std::string changed = content;
    changed[at] ^= 1;
    set_weights(changed);
    EXPECT_TRUE(seen.insert(fingerprint()).second) << at;
  }
  std::string renamed = content;
  renamed.replace(content.find("model.norm.weight"), 17, "model.norn.weight");
  set_weights(renamed);
  EXPECT_TRUE(seen.insert(fingerprint()).second);
}

TEST_F(Fingerprint, NamesAFileThatIsMissing) {
  std::filesystem::remove(folder_.path() / "config.json");
  EXPECT_ERROR(fingerprint(), ErrorKind::not_found, HasSubstr("config.json"));
}

}  // namespace
}  // namespace glimt

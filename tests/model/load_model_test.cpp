// Which models are known, by their names in config.json.
#include "model/load_model.h"

#include "base/throws.h"
#include "model/checkpoint.h"

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(LoadModel, KnowsBothNamesOfTheArchitecture) {
  EXPECT_THAT(known_architectures(), testing::ElementsAre("Glm4MoeLiteForCausalLM", "GLM4MoeLite"));
  Checkpoint checkpoint = Checkpoint::read("base");
  checkpoint.config["architectures"] = {"GLM4MoeLite"};
  expect_golden(*checkpoint.load().model, "base");
  checkpoint.config.erase("architectures");
  checkpoint.config["model_type"] = "glm4_moe_lite";
  expect_golden(*checkpoint.load().model, "base");
}

TEST(LoadModel, AnUnknownArchitectureIsRefusedByNameAndTheKnownOnesAreListed) {
  const TemporaryFolder folder;
  folder.write("config.json", R"({"architectures": ["LlamaForCausalLM"], "hidden_size": "of no interest"})");
  EXPECT_ERROR(load_model(folder.path()), ErrorKind::unsupported,
               AllOf(HasSubstr("config.json"), HasSubstr("'LlamaForCausalLM'"),
                     HasSubstr("Glm4MoeLiteForCausalLM, GLM4MoeLite")));
}

}  // namespace
}  // namespace glimt

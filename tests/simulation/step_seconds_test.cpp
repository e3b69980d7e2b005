#include "simulation/step_seconds.h"

#include "base/temporary_folder.h"
#include "base/throws.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace glimt::simulation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class StepSecondsFile : public ::testing::Test {
 protected:
  StepSeconds read(const std::string& steps) {
    return StepSeconds::from_file(folder_.write(
        "costs.json", fmt::format(R"({{"machine": "m", "date": "d", "model": "x", "layers": 2, "row_bytes": 100,
                                       "steps": [{}]}})",
                                  steps)));
  }

  TemporaryFolder folder_;
};

// 0.1 s for a row, 0.2 for two, 1.6 for 16; a key 0.001 s where a sequence decodes, 0.0001 in prompts.
const std::string kSteps = R"({"sequences": 1, "tokens": 1, "depth": 0, "seconds": 0.101},
  {"sequences": 1, "tokens": 1, "depth": 100, "seconds": 0.201}, {"sequences": 2, "tokens": 1, "depth": 0, "seconds": 0.202},
  {"sequences": 1, "tokens": 16, "depth": 0, "seconds": 1.6136}, {"sequences": 1, "tokens": 16, "depth": 100, "seconds": 1.7736})";

TEST_F(StepSecondsFile, GivesWhatWasMeasured) {
  const StepSeconds seconds = read(kSteps);
  StepLoad one, deep, prompt;
  one.add_decode(0, 1);
  deep.add_decode(100, 1);
  prompt.add_prefill(100, 16);
  EXPECT_NEAR(seconds(one), 0.101, 1e-9);
  EXPECT_NEAR(seconds(deep), 0.201, 1e-9);
  EXPECT_NEAR(seconds(prompt), 1.7736, 1e-9);
  EXPECT_EQ(seconds.about(), "m, d, x");
  EXPECT_EQ(seconds.row_bytes(), 100);
}

TEST_F(StepSecondsFile, GoesOnALineBetweenAndBehind) {
  const StepSeconds seconds = read(kSteps);
  StepLoad four, many;
  four.rows = 4;
  many.rows = 32;
  EXPECT_NEAR(seconds(four), 0.4, 1e-9);
  EXPECT_NEAR(seconds(many), 3.2, 1e-9);
  StepLoad mixed;
  mixed.add_decode(1000, 1);
  mixed.add_prefill(10, 15);
  EXPECT_NEAR(seconds(mixed), 1.6 + 1.001 + 15 * (10 + 8) * 0.0001, 1e-9);
}

TEST_F(StepSecondsFile, SaysWhatIsMissing) {
  EXPECT_ERROR(read(""), ErrorKind::bad_file, AllOf(HasSubstr("costs.json"), HasSubstr("two depths")));
  EXPECT_ERROR(read(R"({"sequences": 0, "tokens": 1, "depth": 0, "seconds": 1})"), ErrorKind::bad_file,
               AllOf(HasSubstr("steps[0]"), HasSubstr("'sequences'")));
  EXPECT_ERROR(StepSeconds::from_file("/no/such/costs.json"), ErrorKind::not_found, HasSubstr("/no/such/costs.json"));
}

}  // namespace
}  // namespace glimt::simulation

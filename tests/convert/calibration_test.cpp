// Conversions of golden checkpoints with a text: what is seen of it, what is measured, what a stop leaves.
#include "convert/calibration.h"

#include "base/throws.h"
#include "convert/convert.h"
#include "model/layouts.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace glimt::convert {
namespace {

namespace fs = std::filesystem;

CalibrationText random_text(const Config& config, std::size_t tokens, int context) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> token(0, config.vocab_size - 1);
  CalibrationText text{.tokens = std::vector<TokenId>(tokens), .context = context};
  for (TokenId& one : text.tokens) one = token(random);
  return text;
}

struct Source {
  TemporaryFolder folder;
  fs::path path = folder.path() / "source", target = folder.path() / "target", journal = folder.path() / "journal";
  Config config;

  explicit Source(const Checkpoint& checkpoint) {
    fs::create_directories(path);
    checkpoint.write(path);
    config = Config::from_folder(path);
  }

  ConvertOptions options(const Recipe& recipe, std::size_t tokens = 150) const {
    return {.recipe = recipe,
            .search = true,
            .text = random_text(config, tokens, 20),
            .notes = {{"format", "mlx"}},
            .threads = 2};
  }
};

Recipe four_bits() { return uniform_recipe({QuantMode::affine, 4, 32}); }

void ignore(const ConvertProgress&) {}

TEST(Calibration, SeesTheInputOfEveryMatrixThatMultiplies) {
  for (const Checkpoint& checkpoint :
       {Checkpoint::read("mtp"), mlx_lm_layout("mtp"), Checkpoint::read("no_q_lora"), Checkpoint::read("two_dense")}) {
    const Source source(checkpoint);
    Conversion(source.path, {.recipe = float_recipe(), .notes = {}, .threads = 2})
        .run(source.target, source.journal, ignore);
    Calibration calibration(source.path, source.config, random_text(source.config, 90, 20));
    EXPECT_EQ(calibration.open(source.target, source.folder.path() / "states"), 0);
    const CheckpointFolder folder(source.path, source.config.quantization);
    const SourceFiles files(folder);
    const std::vector<Unit> units = plan_units(files, source.config, {.recipe = four_bits(), .float_type = {}});
    for (int stage = 0; stage < calibration.stages(); ++stage) {
      calibration.begin(stage, [](double) {});
      for (const Unit& unit : units) {
        const auto* job = std::get_if<MatrixJob>(&unit.job);
        if (job == nullptr || calibration.stage_of(unit.name) != stage) continue;
        const auto count = static_cast<std::size_t>(std::max(job->size.count, 1));
        const std::size_t values = calibration.importance_of(job->path, count).values.size();
        const bool multiplies = !job->path.ends_with("embed_tokens") && !job->path.ends_with(".mlp.gate");
        EXPECT_EQ(values, multiplies ? count * static_cast<std::size_t>(job->size.columns) : 0) << job->path;
      }
      calibration.end(stage, [](double) {});
    }
  }
}

TEST(Calibration, FloatsAreNoDistanceFromTheirSource) {
  const Source source(Checkpoint::read("base"));
  Conversion conversion(source.path, source.options(float_recipe()));
  EXPECT_FALSE(conversion.measured());
  conversion.run(source.target, source.journal, ignore);
  ASSERT_TRUE(conversion.measured());
  EXPECT_EQ(conversion.measured()->model.windows, 1u);  // of seven whole ones
  EXPECT_EQ(conversion.measured()->model.tokens, 19u);
  EXPECT_LT(conversion.measured()->divergence.value,
            1e-9);  // the source was computed matrix by matrix, the result was not
}

TEST(Calibration, MeasuresWhatTheFinishedModelPredicts) {
  const Source source(Checkpoint::read("mtp"));
  Conversion conversion(source.path, source.options(four_bits()));
  conversion.run(source.target, source.journal, ignore);
  const std::vector<TokenId> text = random_text(source.config, 150, 20).tokens;
  const std::vector<TokenId> held(text.begin() + 60, text.begin() + 80);
  const DivergenceReport wanted =
      measure_divergence(source.path, source.target, held, {.context = 20, .exact = true, .step_rows = 2048});
  EXPECT_GT(wanted.divergence.value, 1e-6);
  EXPECT_NEAR(conversion.measured()->divergence.value, wanted.divergence.value, 1e-4 * wanted.divergence.value);
}

TEST(Calibration, AShortTextIsNotMeasured) {
  const Source source(Checkpoint::read("base"));
  Conversion conversion(source.path, source.options(four_bits(), 70));
  conversion.run(source.target, source.journal, ignore);
  EXPECT_FALSE(conversion.measured());
}

TEST(Calibration, GoesOnWhereItWasStopped) {
  const Source source(Checkpoint::read("mtp"));
  const ConvertOptions options = source.options(four_bits());
  int calls = 0;
  Conversion whole(source.path, options);
  whole.run(source.target, source.journal, [&](const ConvertProgress&) { ++calls; });
  const std::string wanted = read_file(source.target / "model.safetensors");
  for (int stops = 1; stops < calls; stops += 1 + calls / 12) {
    const fs::path target = source.folder.path() / fmt::format("stopped{}", stops),
                   journal = target.string() + ".journal";
    int count = 0;
    const auto stop = [&](const ConvertProgress&) {
      if (++count == stops) throw Error(ErrorKind::cancelled, "");
    };
    EXPECT_THROW(Conversion(source.path, options).run(target, journal, stop), Error);
    int rest = 0;
    Conversion next(source.path, options);
    next.run(target, journal, [&](const ConvertProgress&) { ++rest; });
    EXPECT_EQ(read_file(target / "model.safetensors"), wanted) << stops;
    EXPECT_EQ(next.measured()->divergence.value, whole.measured()->divergence.value) << stops;
    EXPECT_LT(rest, stops > calls / 2 ? calls * 3 / 4 : calls + 1) << "what was finished is not computed again";
  }
}

TEST(Calibration, AnotherTextIsAnotherConversion) {
  const Source source(Checkpoint::read("base"));
  const auto convert = [&](std::size_t tokens, const fs::path& target, const fs::path& journal) {
    Conversion(source.path, source.options(four_bits(), tokens)).run(target, journal, ignore);
    return read_file(target / "model.safetensors");
  };
  const std::string wanted = convert(110, source.folder.path() / "other", source.folder.path() / "journal2");
  convert(150, source.target, source.journal);
  EXPECT_EQ(convert(110, source.target, source.journal), wanted);
}

TEST(Calibration, RefusesTextsThatTheModelCannotRead) {
  const Source source(Checkpoint::read("base"));
  const auto open = [&](const CalibrationText& text) { Calibration(source.path, source.config, text); };
  CalibrationText text = random_text(source.config, 50, 20);
  text.tokens.back() = source.config.vocab_size;
  EXPECT_ERROR((open(text), 0), ErrorKind::invalid_request, ::testing::HasSubstr("the model knows"));
  EXPECT_ERROR((open({.tokens = {1}}), 0), ErrorKind::invalid_request, ::testing::HasSubstr("at least 2"));
}

TEST(CalibrationText, IsShortenedToWindowsFromAllOverIt) {
  CalibrationText text{.tokens = {}, .context = 10};
  for (int i = 0; i < 1005; ++i) text.tokens.push_back(i);
  text.shorten(45);
  ASSERT_EQ(text.tokens.size(), 40u);
  for (const int window : {0, 1, 2, 3}) {
    EXPECT_EQ(text.tokens[static_cast<std::size_t>(window) * 10], window * 250);
    EXPECT_EQ(text.tokens[static_cast<std::size_t>(window) * 10 + 9], window * 250 + 9);
  }
  text.shorten(100);
  EXPECT_EQ(text.tokens.size(), 40u);
}

}  // namespace
}  // namespace glimt::convert

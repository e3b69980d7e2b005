// An engine whose model hangs is seen by health() within seconds; one whose model takes its time is not taken for it.
#include "engine/engine_support.h"

#include "engine/load.h"
#include "model/load_model.h"

#include <atomic>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// How a forward pass is held up.
struct Brake {
  std::atomic<bool> hangs{false};  // until it is false
  std::atomic<int> kernels{0};     // of this many that take 20 ms each, before the model's own
  std::atomic<bool> is_inside{false};
};

class BrakedModel : public CausalLm {
 public:
  BrakedModel(std::unique_ptr<CausalLm> model, std::shared_ptr<Brake> brake)
      : model_(std::move(model)), brake_(std::move(brake)) {}

  const Config& config() const override { return model_->config(); }
  const kernels::Device& device() const override { return model_->device(); }
  int max_context_length() const override { return model_->max_context_length(); }
  PoolShape cache_shape() const override { return model_->cache_shape(); }
  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe) const override {
    brake_->is_inside = true;
    while (brake_->hangs) std::this_thread::sleep_for(1ms);
    for (int i = brake_->kernels.exchange(0); i > 0; --i) {
      device().queue().begin(1);
      std::this_thread::sleep_for(20ms);
      device().queue().finish(1, 20ms);
    }
    brake_->is_inside = false;
    return model_->forward(ids, pool, step, observe);
  }
  mx::array unembed(const mx::array& hidden) const override { return model_->unembed(hidden); }
  bool has_mtp() const override { return false; }
  mx::array mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                        const kernels::StepPtr& step) const override {
    return model_->mtp_forward(hidden, ids, pool, step);
  }
  mx::array mtp_unembed(const mx::array& hidden) const override { return model_->mtp_unembed(hidden); }

 private:
  std::unique_ptr<CausalLm> model_;
  std::shared_ptr<Brake> brake_;
};

struct EngineStall : testing::Test {
  CleanEngine start(const EngineOptions& options) {
    const auto make = [this] {
      LoadedModel loaded = load_model(golden_folder("base"));
      return EngineModel{std::make_unique<BrakedModel>(std::move(loaded.model), brake), loaded.weight_bytes};
    };
    return CleanEngine(EngineLoader::start(make, options).release());
  }
  GenerationRequest request() const {
    GenerationRequest made;
    made.prompt = golden_row("base", "input_ids", 0);
    made.sampling = greedy();
    made.max_tokens = 3;
    return made;
  }

  std::shared_ptr<Brake> brake = std::make_shared<Brake>();
};

TEST_F(EngineStall, AModelThatHangsIsSeenWithinFiveSeconds) {
  const CleanEngine engine = start({});
  run(*engine, request());  // kernels have run: it can be seen how far a step is
  brake->hangs = true;
  const auto stream = engine->submit(request());
  while (!brake->is_inside) std::this_thread::sleep_for(1ms);
  const auto hung = Clock::now();
  EXPECT_TRUE(engine->health().ok);
  while (engine->health().ok && Clock::now() < hung + 30s) std::this_thread::sleep_for(50ms);
  EXPECT_LT(Clock::now() - hung, 5s);
  EXPECT_GT(engine->health().step_seconds, 3);
  brake->hangs = false;
  EXPECT_EQ(read(*stream).tokens.size(), 3U);
  settled(*engine);
  EXPECT_TRUE(engine->health().ok);
}

TEST_F(EngineStall, AStepWhoseKernelsRunIsLongAndNoStall) {
  const CleanEngine engine = start({.stall_limit = 300ms});
  run(*engine, request());
  brake->kernels = 60;
  const auto stream = engine->submit(request());
  double longest = 0;
  for (bool ended = false; !ended;) {
    const EngineHealth health = engine->health();
    EXPECT_TRUE(health.ok) << health.step_seconds;
    longest = std::max(longest, health.step_seconds);
    const std::optional<StreamEvent> event = stream->next(Clock::now() + 20ms);
    ended = event && std::holds_alternative<GenerationResult>(*event);
  }
  EXPECT_GT(longest, 1);
}

}  // namespace
}  // namespace glimt

// Decoders beside long prompts, on a machine whose steps cost more the deeper they are: no step may take longer than
// its budget while a sequence decodes, and every prompt ends.
#include "engine/scheduler.h"
#include "engine/step_times.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>

namespace glimt {
namespace {

constexpr double kBudget = 0.25;

struct Machine {
  double base = 0.04, row = 0.006, key = 6e-7;  // about a model of 30B on two cores
  double noise = 0.05;
  std::mt19937 random{7};

  double step(const StepWork& work) {
    const double slow = 1 + noise * std::uniform_real_distribution<double>(-1, 1)(random);
    return slow * (base + row * work.rows + key * work.keys);
  }
};

struct Job {
  int prompt;
  int computed = 0;
  int answer = 0;
  int prompt_left() const { return std::max(0, prompt - computed); }
};

class Simulation {
 public:
  explicit Simulation(Machine machine) : machine_(machine) {}

  void submit(SequenceId id, int prompt) {
    ASSERT_EQ(scheduler_.submit(id, prompt), std::nullopt);
    jobs_[id] = {prompt};
  }
  void end(SequenceId id) {
    scheduler_.finish(id);
    jobs_.erase(id);
  }
  const Job& job(SequenceId id) const { return jobs_.at(id); }

  struct Done {
    double seconds;
    int rows;
    bool decodes;     // somebody
    bool left_out;    // a decoder got nothing
    bool only_floor;  // no prompt got more than the least
  };
  Done step() {
    SchedulerView view;
    view.available_blocks = 1'000'000;
    view.running = [&](SequenceId id) {
      const Job& job = jobs_.at(id);
      return RunningView{job.prompt_left(), 1, 1'000'000, job.computed, 1};
    };
    view.waiting = [&](SequenceId id) { return WaitingView{jobs_.at(id).prompt}; };
    view.budget = StepBudget{kBudget - times_.base(), [&](int depth, int rows) { return times_.cost(depth, rows); },
                             [&](int depth, double seconds) { return times_.affordable(depth, seconds); }};
    std::size_t decoders = 0;
    for (const auto& [id, job] : jobs_) decoders += job.prompt_left() == 0 ? 1 : 0;
    const Plan plan = scheduler_.plan(view);
    StepWork work;
    Done done{0, 0, decoders > 0, plan.decode.size() != decoders, true};
    for (const auto& [id, tokens] : plan.decode) {
      work.add(jobs_.at(id).computed, tokens);
      jobs_.at(id).computed += tokens;
      ++jobs_.at(id).answer;
    }
    for (const auto& [id, tokens] : plan.prefill) {
      work.add(jobs_.at(id).computed, tokens);
      jobs_.at(id).computed += tokens;
      done.only_floor &= tokens <= 8;
    }
    done.seconds = machine_.step(work);
    done.rows = work.rows;
    times_.record(work, done.seconds);
    return done;
  }

 private:
  Machine machine_;
  Scheduler scheduler_{{8, 100, 512, 1'000'000, 128, 1}};
  StepTimes times_;
  std::map<SequenceId, Job> jobs_;
};

TEST(StepTime, NoStepTakesLongerThanItsBudgetWhileSomebodyDecodes) {
  Simulation simulation{Machine{}};
  for (SequenceId id = 1; id <= 3; ++id) ASSERT_NO_FATAL_FAILURE(simulation.submit(id, 10));
  simulation.step();
  ASSERT_NO_FATAL_FAILURE(simulation.submit(4, 60'000));
  ASSERT_NO_FATAL_FAILURE(simulation.submit(5, 3'000));
  double longest = 0, sum = 0;
  int steps = 0;
  for (; simulation.job(4).prompt_left() > 0; ++steps) {
    ASSERT_LT(steps, 20'000) << "the prompt does not end";
    const auto done = simulation.step();
    ASSERT_TRUE(done.decodes);
    ASSERT_FALSE(done.left_out) << "a decoder starves";
    if (!done.only_floor) longest = std::max(longest, done.seconds);
    sum += done.seconds;
  }
  EXPECT_LE(longest, kBudget * 1.15);
  EXPECT_GT(sum / steps, kBudget * 0.8) << "the budget is used";
  EXPECT_EQ(simulation.job(5).prompt_left(), 0);
}

TEST(StepTime, AStepHoldsAllTokensWhileNobodyDecodes) {
  Simulation simulation{Machine{}};
  ASSERT_NO_FATAL_FAILURE(simulation.submit(1, 5'000));
  EXPECT_EQ(simulation.step().rows, 512);
  EXPECT_EQ(simulation.step().rows, 512);
}

TEST(StepTime, ACachedPromptThatBeginsDeepStartsSmall) {
  Simulation simulation{Machine{0.04, 0.0002, 1e-5, 0}};  // attention costs nearly everything
  ASSERT_NO_FATAL_FAILURE(simulation.submit(1, 10));
  simulation.step();
  ASSERT_NO_FATAL_FAILURE(simulation.submit(2, 2'000));
  while (simulation.job(2).prompt_left() > 0) simulation.step();  // knows rows, and little about keys
  ASSERT_NO_FATAL_FAILURE(simulation.submit(3, 200'000));
  double longest = 0;
  for (int steps = 0; simulation.job(3).computed < 100'000; ++steps) {
    ASSERT_LT(steps, 100'000);
    const auto done = simulation.step();
    if (!done.only_floor) longest = std::max(longest, done.seconds);
  }
  EXPECT_LE(longest, kBudget * 1.3);
}

TEST(StepTime, EvenWithoutTimeAPromptEnds) {
  Simulation simulation{Machine{0.3, 0.01, 0, 0}};  // a step takes longer than the budget whatever is in it
  ASSERT_NO_FATAL_FAILURE(simulation.submit(1, 10));
  simulation.step();
  ASSERT_NO_FATAL_FAILURE(simulation.submit(2, 800));
  int steps = 0;
  for (; simulation.job(2).prompt_left() > 0; ++steps) {
    ASSERT_LT(steps, 200);
    EXPECT_LE(simulation.step().rows, 1 + StepTimes::kFirstRows);
  }
  EXPECT_GE(steps, 90) << "8 tokens a step, no more";
}

}  // namespace
}  // namespace glimt

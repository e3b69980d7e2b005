#include "api/effort.h"

#include "api/api_errors.h"

namespace glimt {
namespace {

TEST(Effort, EveryWordThatClientsHave) {
  struct Case {
    std::string_view word;
    bool thinking;
    std::size_t budget;
  };
  for (const auto& [word, thinking, budget] : std::initializer_list<Case>{{"none", false, 0},
                                                                          {"minimal", true, 512},
                                                                          {"low", true, 2048},
                                                                          {"medium", true, 8192},
                                                                          {"high", true, 24576},
                                                                          {"xhigh", true, 0},
                                                                          {"max", true, 0},
                                                                          {"ultra", true, 0}}) {
    ChatRequest request;
    request.thinking = !thinking;
    request.thinking_budget = 1;
    apply_effort(word, "reasoning_effort", request);
    EXPECT_EQ(request.thinking, thinking) << word;
    EXPECT_EQ(request.thinking_budget, budget) << word;
  }
}

TEST(Effort, AnotherWordIsAnError) {
  ChatRequest request;
  const Problem problem = problem_from([&] { apply_effort("huge", "reasoning.effort", request); });
  EXPECT_EQ(problem.message,
            "reasoning.effort: must be one of none, minimal, low, medium, high, xhigh, max, ultra, got \"huge\"");
  EXPECT_EQ(problem.param, "reasoning.effort");
}

}  // namespace
}  // namespace glimt

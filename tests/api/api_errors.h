// What a test wants of an error.
#pragma once

#include "api/problem.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace glimt {

// The problem that `run` throws, whatever it throws; a failure if it does not.
template <typename Run>
Problem problem_from(Run&& run) {
  try {
    std::forward<Run>(run)();
  } catch (...) {
    return problem_of(std::current_exception());
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

inline json::object object_of(std::string_view text) { return parse_json(text, "test").as_object(); }

}  // namespace glimt

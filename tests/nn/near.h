// Arrays against values that a test computes in double precision.
#pragma once

#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace glimt {

inline std::vector<double> values_of(const mx::array& x) {
  const mx::array flat = mx::contiguous(mx::astype(x, mx::float32));
  kernels::evaluate({flat});
  return {flat.data<float>(), flat.data<float>() + flat.size()};
}

inline void expect_near(const mx::array& got, const std::vector<double>& wanted, double tolerance) {
  const std::vector<double> values = values_of(got);
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(values[i], wanted[i], tolerance) << "at " << i;
}

inline mx::array random(const mx::Shape& shape, std::uint64_t seed = 0) {
  const mx::array x = mx::random::normal(shape, mx::float32, 0.0f, 1.0f, mx::random::key(seed));
  mx::eval(x);
  return x;
}

}  // namespace glimt

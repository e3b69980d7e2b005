#include "sampling/fields.h"

#include "base/error.h"
#include "base/throws.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <set>

namespace glimt {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The smallest step that a field of this type can make.
double next(const SamplingField& field, double value, double towards) {
  if (field.type == SamplingField::Type::integer) return value + (towards > value ? 1 : -1);
  return std::nextafterf(static_cast<float>(value), static_cast<float>(towards));
}

TEST(SamplingFields, ReadAndWriteOneFieldEach) {
  std::set<std::string_view> names;
  for (const SamplingField& field : sampling_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_EQ(find_sampling_field(field.name), &field);
    SamplingParams params;
    field.set(params, field.max);
    EXPECT_EQ(static_cast<float>(field.get(params)), static_cast<float>(field.max)) << field.name;
    for (const SamplingField& other : sampling_fields()) {
      if (&other == &field) continue;
      EXPECT_EQ(other.get(params), other.get(SamplingParams{})) << field.name << " " << other.name;
    }
  }
  EXPECT_EQ(find_sampling_field("warmth"), nullptr);
}

TEST(SamplingFields, ValidateHasTheBoundsOfTheTable) {
  for (const SamplingField& field : sampling_fields()) {
    SamplingParams params;
    params.logprobs = true;
    const auto message = [&](double value) -> std::string {
      try {
        field.set(params, value);
        params.validate();
        return "";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
        return error.what();
      }
    };
    EXPECT_EQ(message(field.max), "") << field.name;
    EXPECT_EQ(message(field.excludes_min ? next(field, field.min, field.max) : field.min), "") << field.name;
    const double below = field.excludes_min ? field.min : next(field, field.min, field.min - 1);
    EXPECT_THAT(message(below), StartsWith(std::string(field.name) + ": must be ")) << field.name;
    if (field.type == SamplingField::Type::real) {
      EXPECT_THAT(message(next(field, field.max, field.max + 1)), StartsWith(std::string(field.name))) << field.name;
      EXPECT_THAT(message(std::numeric_limits<double>::quiet_NaN()), HasSubstr("got nan")) << field.name;
      EXPECT_THAT(message(std::numeric_limits<double>::infinity()), HasSubstr("got inf")) << field.name;
    }
  }
}

TEST(SamplingFields, SayWhereAndWhat) {
  const SamplingField& top_p = *find_sampling_field("top_p");
  EXPECT_ERROR(top_p.check(1.5, "request: top_p", ErrorKind::bad_file), ErrorKind::bad_file,
               "request: top_p: must be from 0 to 1, got 1.5");
  EXPECT_ERROR(find_sampling_field("typical_p")->check(0, "t"), ErrorKind::invalid_request,
               "t: must be above 0 and at most 1, got 0");
  EXPECT_ERROR(find_sampling_field("top_k")->check(1.5, "top_k"), ErrorKind::invalid_request,
               "top_k: must be a whole number, got 1.5");
}

}  // namespace
}  // namespace glimt

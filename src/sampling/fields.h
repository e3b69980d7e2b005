// The numbers of SamplingParams in one table: names, bounds, help. SamplingParams::validate and generation_config.json
// read it, and so do the flags, /set and the dialects of the API. Bounds stand here and nowhere else.
#pragma once

#include "base/error.h"
#include "sampling/params.h"

#include <span>
#include <string_view>

namespace glimt {

struct SamplingField {
  enum class Type { real, integer };

  std::string_view name;  // as in messages, requests and flags
  Type type;
  double min;
  bool excludes_min;  // min itself is too small
  double max;
  std::string_view unit;  // what kind of value, for the help: "T", "N"
  std::string_view help;
  double (*get)(const SamplingParams&);
  void (*set)(SamplingParams&, double);  // REQUIRES: a value that check() lets through

  // Throws `kind`, "where: must be from 0 to 2, got 3"; NaN is never let through.
  void check(double value, std::string_view where, ErrorKind kind = ErrorKind::invalid_request) const;
};

std::span<const SamplingField> sampling_fields();

// Null for a name that the table does not have.
const SamplingField* find_sampling_field(std::string_view name);

}  // namespace glimt

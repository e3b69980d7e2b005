#include "kernels/quantization.h"

namespace glimt {
namespace {

struct ModeName {
  QuantMode mode;
  std::string_view name;
};
constexpr ModeName kModes[] = {{QuantMode::affine, "affine"},
                               {QuantMode::mxfp4, "mxfp4"},
                               {QuantMode::mxfp8, "mxfp8"},
                               {QuantMode::nvfp4, "nvfp4"}};

}  // namespace

std::string_view to_string(QuantMode mode) {
  for (const ModeName& entry : kModes) {
    if (entry.mode == mode) return entry.name;
  }
  return "affine";
}

std::optional<QuantMode> quant_mode_from(std::string_view name) {
  for (const ModeName& entry : kModes) {
    if (entry.name == name) return entry.mode;
  }
  return std::nullopt;
}

bool is_valid(const Quantization& q) {
  switch (q.mode) {
    case QuantMode::affine:
      return (q.bits == 2 || q.bits == 3 || q.bits == 4 || q.bits == 5 || q.bits == 6 || q.bits == 8) &&
             (q.group_size == 32 || q.group_size == 64 || q.group_size == 128);
    case QuantMode::mxfp4: return q.bits == 4 && q.group_size == 32;
    case QuantMode::mxfp8: return q.bits == 8 && q.group_size == 32;
    case QuantMode::nvfp4: return q.bits == 4 && q.group_size == 16;
  }
  return false;
}

}  // namespace glimt

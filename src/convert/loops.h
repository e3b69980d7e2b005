// The inner loops of conversion, compiled for several instruction sets. All of them give the same bits: no multiply-add
// is fused, and a sum over a group is made in sixteen lanes everywhere.
#pragma once

#include "checkpoint/dtype.h"
#include "kernels/quantization.h"

#include <cstddef>
#include <vector>

namespace glimt::convert {

// The parts of quantized values in MLX's layout: `codes` is one stream of bits, lowest first; `scales` holds a value a
// group, floats of a given type for affine, else bytes; `biases` is of affine alone. Not owned; floats are aligned.
struct PackedParts {
  unsigned char* codes = nullptr;
  void* scales = nullptr;
  void* biases = nullptr;
};

struct Loops {
  const char* name;

  // `n` stored floats (float32, float16, bfloat16) as float32, and back, rounded to the nearest, half to even. Values
  // that are not finite keep being so in bfloat16 and float32 only.
  void (*widen)(Dtype type, const void* stored, float* values, std::size_t n);
  void (*narrow)(Dtype type, const float* values, void* stored, std::size_t n);

  // The first of `n` stored floats that is infinite or NaN; `n` if there is none.
  std::size_t (*first_not_finite)(Dtype type, const void* stored, std::size_t n);

  // Quantizes `n` finite values, whole groups, as mlx 0.32.4 does on a CPU. REQUIRES that float type `type`, in which
  // scales and biases are stored and in which the fp modes round, represents all of them.
  void (*quantize)(const Quantization& q, Dtype type, const float* values, std::size_t n, const PackedParts& out);

  // Affine with the pair of scale and bias that loses least of those that a search finds: sum of importance * error²
  // over a group. `importance` has a value >= 0 for each value; null is 1 everywhere. Never worse than quantize().
  void (*search)(const Quantization& q, Dtype type, const float* values, const float* importance, std::size_t n,
                 const PackedParts& out);

  // The reverse: `n` values as float32, times `factor`.
  void (*decode)(const Quantization& q, Dtype type, const PackedParts& in, float factor, float* values, std::size_t n);
};

// The best ones for this CPU. Chosen once; thread-safe.
const Loops& loops();

// Every one that this CPU can run. For tests.
std::vector<const Loops*> supported_loops();

}  // namespace glimt::convert

// Several matrix products at once: the heads of an attention layer, the experts of a token batch, or one matrix alone.
#pragma once

#include "kernels/cpu/buffer.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/matrix.h"

#include <cstdint>
#include <span>
#include <vector>

namespace glimt::cpu {

// The rows that products read, with their integer forms, which are made once and shared. Does not own the floats.
class Activations {
 public:
  // yes: a row may be given several times (a token's for each of its experts), and its integers are computed once.
  enum class Repeats : std::uint8_t { no, yes };

  // `counts`: the rows of each product, in order. Products with the same rows share one count.
  Activations(std::vector<const float*> rows, std::vector<std::size_t> counts, int columns,
              Repeats repeats = Repeats::no)
      : rows_(std::move(rows)), counts_(std::move(counts)), columns_(columns), repeats_(repeats) {}

  const std::vector<const float*>& rows() const { return rows_; }

  // All rows as 8-bit integers in groups of `group` (Isa::quantize_row), arranged for Isa::dot_integer. Not
  // thread-safe.
  IntegerRows integers(int group, bool interleave);

 private:
  // Rows of `stride` bytes and `group_stride` floats, as IntegerRows has them.
  struct Integers {
    Integers(std::size_t rows, int columns, int group)
        : stride(padded_columns(columns, group)),
          group_stride(padded_groups(columns, group)),
          values(rows * stride),
          scales(rows * group_stride),
          sums(rows * group_stride) {}
    IntegerRows from(std::size_t row) const {
      return IntegerRows{values.data(), scales.data(), sums.data(), stride, group_stride}.from(row);
    }

    std::size_t stride, group_stride;
    Buffer<std::int8_t> values;
    Buffer<float> scales, sums;
  };
  struct IntegerForm {
    int group;
    bool interleave;
    Integers rows;
  };

  void quantize(const std::vector<std::size_t>& rows, const IntegerForm& form, const Integers& out) const;
  void arrange(const Integers& from, const std::vector<std::size_t>& source, const Integers& out) const;
  bool worth_threads() const;

  std::vector<const float*> rows_;
  std::vector<std::size_t> counts_;
  int columns_;
  Repeats repeats_;
  std::vector<IntegerForm> forms_;  // one in practice: a model's matrices share group size and bits
};

// y[i] = x[first + i] · wᵀ for each i < y.size(), which is one of x's counts; y[i] points to w.rows floats. Not owned.
struct Product {
  MatrixView w;
  Activations* x = nullptr;
  std::size_t first = 0;
  std::vector<float*> y;
};

// All products on the threads of the pool. A row's result does not depend on the other rows, the products or the
// threads. Affine weights, mxfp4 and nvfp4 meet activations rounded to 8 bits unless `exact`.
void multiply(std::span<const Product> products, bool exact);

}  // namespace glimt::cpu

// Several matrix products at once: the heads of an attention layer, the experts of a token batch, or one matrix alone.
#pragma once

#include "kernels/cpu/buffer.h"
#include "kernels/cpu/matrix.h"
#include "kernels/cpu/table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace glimt::cpu {

// The rows that products read, with their integer forms, which are made once and shared. Does not own the floats.
class Activations {
 public:
  // yes: a row may be given several times (a token's for each of its experts), and its integers are computed once.
  enum class Repeats : std::uint8_t { no, yes };

  Activations(std::vector<const float*> rows, int columns, Repeats repeats = Repeats::no)
      : rows_(std::move(rows)), columns_(columns), repeats_(repeats) {}

  const std::vector<const float*>& rows() const { return rows_; }
  int columns() const { return columns_; }

  // All rows as 8-bit integers in groups of `group`; see Table::quantize_row. Not thread-safe.
  IntegerRows integers(int group, bool interleave);

 private:
  struct Form {
    int group;
    bool interleave;
    Buffer<std::int8_t> values;
    Buffer<float> scales, sums;
  };

  void quantize(const Form& form, std::size_t stride, std::size_t group_stride) const;

  std::vector<const float*> rows_;
  int columns_;
  Repeats repeats_;
  std::vector<Form> forms_;  // one in practice: a model's matrices share group size and bits
};

// y[i] = x[first + i] · wᵀ for each i < y.size(); y[i] points to w.rows floats. Not owned.
struct Product {
  MatrixView w;
  Activations* x = nullptr;
  std::size_t first = 0;
  std::vector<float*> y;
};

// All products on the threads of the pool. A row's result does not depend on the other rows, the products or the
// threads. 4- and 8-bit weights meet activations rounded to 8 bits unless exact() is set.
void multiply(std::span<const Product> products);

// Float activations everywhere: for comparison with reference numbers. Set before the first kernel runs.
bool exact();
void set_exact(bool exact);

}  // namespace glimt::cpu

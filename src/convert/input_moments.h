// What the columns of each matrix are multiplied with: the mean square of each input channel over the tokens of a text. A
// column whose inputs are small may be quantized with a larger error.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt::convert {

// Mean squares [count, columns] of the inputs of a matrix, or of each of a stack; 1 is the mean of all of them.
struct Importance {
  std::size_t columns = 0;
  std::vector<float> values;

  // Of matrix `index`.
  std::span<const float> of(std::size_t index) const { return std::span(values).subspan(index * columns, columns); }
};

// Not thread-safe.
class InputMoments {
 public:
  // Sums of squares of `rows` inputs [columns] of matrix `index` (< count) of `matrix`.
  void add(std::string_view matrix, std::size_t index, std::size_t rows, std::span<const float> squares);

  // Of a matrix, or a stack of `count`; nothing where no input was seen. Few tokens go to some experts: the mean over all
  // of a stack counts in each as kSharedRows rows. A channel that was never used still counts a little, as other texts
  // may use it.
  Importance importance_of(std::string_view matrix, std::size_t count) const;

  bool empty() const { return sums_.empty(); }
  void clear() { sums_.clear(); }

  static constexpr double kSharedRows = 32;
  static constexpr double kLeastShare = 1e-3;

 private:
  struct Sums {
    std::size_t rows = 0;
    std::vector<double> squares;
  };
  std::map<std::string, std::map<std::size_t, Sums>, std::less<>> sums_;
};

}  // namespace glimt::convert

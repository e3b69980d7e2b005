// One unit of a conversion, from the source's files to the target's.
#pragma once

#include "convert/input_moments.h"
#include "convert/output_files.h"
#include "convert/plan.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace glimt::convert {

// What a thread works in, kept between pieces.
struct PieceBuffers {
  std::vector<float> values, importance;  // of each value, or none
  ReadBuffer stored;
  std::vector<std::byte> codes, scales, biases;
};

class UnitWriter {
 public:
  // `search`: affine scales and biases are searched for, not taken by MLX's rule. The arguments must outlive it.
  UnitWriter(const SourceFiles& source, OutputFiles& output, int threads, bool search)
      : source_(source), output_(output), search_(search), buffers_(static_cast<std::size_t>(threads)) {}

  // `read` is told, on the caller's thread, how many bytes of the unit's source have been dealt with; it may throw to
  // stop. Throws bad_file (a file cannot be read, a value is not finite), out_of_memory (the disk is full).
  // `importance` is of the unit's matrix and weights the search; it may be empty.
  void write(const Unit& unit, const Importance& importance, const std::function<void(std::size_t)>& read);

 private:
  void write_matrix(const Unit& unit, const MatrixJob& job, const Importance& importance,
                    const std::function<void(std::size_t)>& read);
  void write_vector(const Unit& unit, const VectorJob& job);
  void write_rows(const Unit& unit, const MatrixJob& job, const Importance& importance, std::size_t first,
                  std::size_t count, PieceBuffers& buffers);
  void copy_rows(const Unit& unit, const MatrixJob& job, std::size_t first, std::size_t count, PieceBuffers& buffers);
  void quantize_rows(const MatrixJob& job, std::size_t count, PieceBuffers& buffers) const;

  const SourceFiles& source_;
  OutputFiles& output_;
  bool search_;
  std::vector<PieceBuffers> buffers_;  // one a thread
};

}  // namespace glimt::convert

// Rows of the source's matrices, read from its files in pieces: a conversion never holds more than its threads' pieces.
// Files are read, not mapped: a disk that fails is an error then, and what was read does not count as memory.
#pragma once

#include "checkpoint/checkpoint_folder.h"
#include "checkpoint/stored_matrix.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace glimt::convert {

// The files of a checkpoint, opened for reading at any place, by any thread.
class SourceFiles {
 public:
  explicit SourceFiles(const CheckpointFolder& folder);
  ~SourceFiles();
  SourceFiles(const SourceFiles&) = delete;
  SourceFiles& operator=(const SourceFiles&) = delete;

  const CheckpointFolder& folder() const { return folder_; }

  // The bytes of `tensor` from `offset` on. REQUIRES that it has so many; of a part of a GGUF file, whole rows. Throws
  // bad_file with the file's name.
  void read(const StoredTensor& tensor, std::size_t offset, std::span<std::byte> out) const;

 private:
  void read_at(const StoredTensor& tensor, std::size_t at, std::span<std::byte> out) const;
  void read_gguf(const StoredTensor& tensor, std::size_t offset, std::span<std::byte> out) const;

  const CheckpointFolder& folder_;
  std::map<std::filesystem::path, int> descriptors_;
};

// Room that a thread reads into, kept between pieces.
using ReadBuffer = std::vector<std::byte>;

// A float tensor, or a part of a quantized one, whole.
std::vector<std::byte> read_whole(const SourceFiles& files, const StoredTensor& tensor);

enum class MatrixPart : std::uint8_t { codes, scales, biases };

// The matrix `path`.weight, or stack of them, as it is stored: plain or quantized. Its rows are counted through the
// stack. Immutable, so any thread may read it. `files` must outlive it.
class StoredRows {
 public:
  // Throws what check_matrix throws.
  StoredRows(const SourceFiles& files, const std::string& path, const MatrixSize& size);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  const std::optional<Quantization>& quantization() const { return quantization_; }

  // Of the values if they are plain, of affine scales; nothing where scales are bytes.
  std::optional<Dtype> float_type() const;

  // X.global_scale of an nvfp4 matrix as MLX means it: nothing, one value, or one a matrix or row.
  const std::vector<float>& global_scales() const { return global_scales_; }

  std::size_t stored_bytes() const;  // of all parts

  // `count` rows from `first` on as float32, rounded to `type`. Throws bad_file for a value that is not finite, with
  // the tensor's name and the value's place.
  void read(std::size_t first, std::size_t count, Dtype type, float* values, ReadBuffer& buffer) const;

  // The bytes of some rows of a part. REQUIRES that it is quantized and has the part.
  std::size_t row_bytes(MatrixPart part) const;
  void read_part(MatrixPart part, std::size_t first, std::size_t count, std::byte* out) const;

 private:
  const StoredTensor& tensor(MatrixPart part) const;
  void read_plain(std::size_t first, std::size_t count, float* values, ReadBuffer& buffer) const;
  void read_quantized(std::size_t first, std::size_t count, float* values, ReadBuffer& buffer) const;
  float factor_of(std::size_t row) const;

  const SourceFiles* files_;
  std::string path_;
  std::size_t rows_ = 0, columns_ = 0;
  std::optional<Quantization> quantization_;
  std::vector<float> global_scales_;
  std::vector<float> factors_;  // what they make of a value
};

// The rows of a matrix of the target, which the source may have in other pieces.
class SourceMatrix {
 public:
  // The rows of all parts, one behind the other. REQUIRES parts of one size.
  static SourceMatrix stacked(std::vector<StoredRows> parts);

  // A half of kv_b_proj, whose rows are for each head `keys`, then `values` ones. The keys' half is transposed: for
  // each head [columns, keys].
  static SourceMatrix keys_of(StoredRows kv_b, int keys, int values);
  static SourceMatrix values_of(StoredRows kv_b, int keys, int values);

  const std::vector<StoredRows>& parts() const { return parts_; }
  bool is_stack() const { return form_ == Form::stack; }

  // Rows that are best read together: pieces begin at multiples of it.
  std::size_t rows_at_once() const;

  // As StoredRows::read. REQUIRES that `first` and `count` are multiples of rows_at_once().
  void read(std::size_t first, std::size_t count, Dtype type, float* values, ReadBuffer& buffer) const;

  // Some rows of a part of a stack of quantized matrices, as they are stored.
  void read_part(MatrixPart part, std::size_t first, std::size_t count, std::byte* out) const;

 private:
  enum class Form : std::uint8_t { stack, keys, values };
  SourceMatrix(Form form, std::vector<StoredRows> parts, std::size_t keys, std::size_t values)
      : form_(form), parts_(std::move(parts)), keys_(keys), values_(values) {}

  void read_keys(std::size_t head, Dtype type, float* values, ReadBuffer& buffer) const;

  // Calls body(part, first row in it, rows, rows before) for the pieces of a range.
  template <typename Body>
  void for_pieces(std::size_t first, std::size_t count, std::size_t piece, const Body& body) const;

  Form form_;
  std::vector<StoredRows> parts_;
  std::size_t keys_ = 0, values_ = 0;  // rows of a head in kv_b_proj
};

}  // namespace glimt::convert

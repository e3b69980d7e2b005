#include "convert/source_rows.h"

#include "base/error.h"
#include "checkpoint/layout.h"
#include "convert/loops.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace glimt::convert {
namespace {

constexpr float kMlxUnits = 448 * 6;  // of MLX's global scale in one of Ollama's: see global_scale_unit

std::string name_of(MatrixPart part) {
  return part == MatrixPart::codes ? ".weight" : part == MatrixPart::scales ? ".scales" : ".biases";
}

}  // namespace

SourceFiles::SourceFiles(const CheckpointFolder& folder) : folder_(folder) {
  for (const auto& [name, tensor] : folder.tensors()) {
    const std::filesystem::path& path = tensor.file_path();
    if (descriptors_.contains(path)) continue;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(ErrorKind::bad_file, path.string(), "cannot open: {}", std::strerror(errno));
#ifdef POSIX_FADV_SEQUENTIAL
    static_cast<void>(::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
#endif
    descriptors_.emplace(path, fd);
  }
}

SourceFiles::~SourceFiles() {
  for (const auto& [file, fd] : descriptors_) ::close(fd);
}

void SourceFiles::read(const StoredTensor& tensor, std::size_t offset, std::span<std::byte> out) const {
  if (tensor.gguf != nullptr) return read_gguf(tensor, offset, out);
  read_at(tensor, tensor.info.offset + offset, out);
}

void SourceFiles::read_gguf(const StoredTensor& tensor, std::size_t offset, std::span<std::byte> out) const {
  const FileRange range = gguf_range(tensor.gguf_part, offset, offset + out.size());
  std::vector<std::byte> blocks(range.nbytes);
  read_at(tensor, range.offset, blocks);
  if (decode_gguf(tensor.gguf_part, blocks, out)) return;
  fail(ErrorKind::bad_file, tensor.file_path().string(), "tensor '{}' has scales that are no finite float16",
       tensor.stored_name);
}

void SourceFiles::read_at(const StoredTensor& tensor, std::size_t at, std::span<std::byte> out) const {
  const int fd = descriptors_.at(tensor.file_path());
  while (!out.empty()) {
    const ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      fail(ErrorKind::bad_file, tensor.file_path().string(), "cannot read tensor '{}': {}", tensor.stored_name,
           n < 0 ? std::strerror(errno) : "the file became shorter");
    }
    at += static_cast<std::size_t>(n);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

std::vector<std::byte> read_whole(const SourceFiles& files, const StoredTensor& tensor) {
  std::vector<std::byte> bytes(tensor.info.nbytes);
  files.read(tensor, 0, bytes);
  return bytes;
}

// ---- StoredRows

StoredRows::StoredRows(const SourceFiles& files, const std::string& path, const MatrixSize& size)
    : files_(&files),
      path_(path),
      rows_(static_cast<std::size_t>(std::max(size.count, 1)) * static_cast<std::size_t>(size.rows)),
      columns_(static_cast<std::size_t>(size.columns)),
      quantization_(check_matrix(files.folder(), path, size)) {
  const std::string global = path + ".global_scale";
  if (!quantization_ || !files.folder().has(global)) return;
  const StoredTensor& stored = files.folder().at(global);
  global_scales_.resize(stored.info.nbytes / sizeof(float));
  files.read(stored, 0, std::as_writable_bytes(std::span(global_scales_)));
  const float unit = global_scale_unit(stored.stored_name);
  for (float& scale : global_scales_) {
    factors_.push_back(scale * unit);
    if (unit == 1) scale *= kMlxUnits;
  }
}

const StoredTensor& StoredRows::tensor(MatrixPart part) const { return files_->folder().at(path_ + name_of(part)); }

std::optional<Dtype> StoredRows::float_type() const {
  const Dtype type = tensor(quantization_ ? MatrixPart::scales : MatrixPart::codes).info.dtype;
  return is_float(type) ? std::optional(type) : std::nullopt;
}

std::size_t StoredRows::stored_bytes() const {
  std::size_t bytes = tensor(MatrixPart::codes).info.nbytes;
  if (quantization_) bytes += tensor(MatrixPart::scales).info.nbytes;
  if (quantization_ && quantization_->mode == QuantMode::affine) bytes += tensor(MatrixPart::biases).info.nbytes;
  return bytes;
}

std::size_t StoredRows::row_bytes(MatrixPart part) const { return tensor(part).info.nbytes / rows_; }

void StoredRows::read_part(MatrixPart part, std::size_t first, std::size_t count, std::byte* out) const {
  const std::size_t bytes = row_bytes(part);
  files_->read(tensor(part), first * bytes, std::span(out, count * bytes));
}

float StoredRows::factor_of(std::size_t row) const {
  return factors_.empty() ? 1 : factors_[row / (rows_ / factors_.size())];
}

void StoredRows::read(std::size_t first, std::size_t count, Dtype type, float* values, ReadBuffer& buffer) const {
  quantization_ ? read_quantized(first, count, values, buffer) : read_plain(first, count, values, buffer);
  const std::size_t n = count * columns_;
  if (type != Dtype::f32 && float_type() != type) {
    buffer.resize(n * size_of(type));
    loops().narrow(type, values, buffer.data(), n);
    loops().widen(type, buffer.data(), values, n);
  }
  const std::size_t at = loops().first_not_finite(Dtype::f32, values, n);
  if (at == n) return;
  const StoredTensor& stored = tensor(MatrixPart::codes);
  fail(ErrorKind::bad_file, stored.file_path().string(), "tensor '{}': row {}, column {} must be a finite {}, got {}",
       stored.stored_name, first + at / columns_, at % columns_, to_string(type), values[at]);
}

void StoredRows::read_plain(std::size_t first, std::size_t count, float* values, ReadBuffer& buffer) const {
  const Dtype stored = tensor(MatrixPart::codes).info.dtype;
  buffer.resize(count * columns_ * size_of(stored));
  read_part(MatrixPart::codes, first, count, buffer.data());
  loops().widen(stored, buffer.data(), values, count * columns_);
}

void StoredRows::read_quantized(std::size_t first, std::size_t count, float* values, ReadBuffer& buffer) const {
  const bool affine = quantization_->mode == QuantMode::affine;
  const std::size_t codes = row_bytes(MatrixPart::codes), scales = row_bytes(MatrixPart::scales);
  buffer.resize(count * (codes + scales + (affine ? scales : 0)));
  std::byte* const at_scales = buffer.data() + count * codes;  // codes are whole words, so floats are aligned here
  std::byte* const at_biases = at_scales + count * scales;
  read_part(MatrixPart::codes, first, count, buffer.data());
  read_part(MatrixPart::scales, first, count, at_scales);
  if (affine) read_part(MatrixPart::biases, first, count, at_biases);
  for (std::size_t row = 0; row < count; ++row) {
    const PackedParts parts = {reinterpret_cast<unsigned char*>(buffer.data() + row * codes), at_scales + row * scales,
                               affine ? at_biases + row * scales : nullptr};
    loops().decode(*quantization_, float_type().value_or(Dtype::f32), parts, factor_of(first + row),
                   values + row * columns_, columns_);
  }
}

// ---- SourceMatrix

SourceMatrix SourceMatrix::stacked(std::vector<StoredRows> parts) { return {Form::stack, std::move(parts), 0, 0}; }

SourceMatrix SourceMatrix::keys_of(StoredRows kv_b, int keys, int values) {
  return {Form::keys, {std::move(kv_b)}, static_cast<std::size_t>(keys), static_cast<std::size_t>(values)};
}

SourceMatrix SourceMatrix::values_of(StoredRows kv_b, int keys, int values) {
  return {Form::values, {std::move(kv_b)}, static_cast<std::size_t>(keys), static_cast<std::size_t>(values)};
}

std::size_t SourceMatrix::rows_at_once() const { return form_ == Form::keys ? parts_[0].columns() : 1; }

template <typename Body>
void SourceMatrix::for_pieces(std::size_t first, std::size_t count, std::size_t piece, const Body& body) const {
  for (std::size_t done = 0; done < count;) {
    const std::size_t inside = (first + done) % piece;
    const std::size_t rows = std::min(count - done, piece - inside);
    body((first + done) / piece, inside, rows, done);
    done += rows;
  }
}

void SourceMatrix::read(std::size_t first, std::size_t count, Dtype type, float* values, ReadBuffer& buffer) const {
  const std::size_t columns = parts_[0].columns();
  switch (form_) {
    case Form::stack:
      return for_pieces(first, count, parts_[0].rows(), [&](auto part, auto inside, auto rows, auto before) {
        parts_[part].read(inside, rows, type, values + before * columns, buffer);
      });
    case Form::values:
      return for_pieces(first, count, values_, [&](auto head, auto inside, auto rows, auto before) {
        parts_[0].read(head * (keys_ + values_) + keys_ + inside, rows, type, values + before * columns, buffer);
      });
    case Form::keys:
      for (std::size_t head = first / columns; head < (first + count) / columns; ++head) {
        read_keys(head, type, values + (head * columns - first) * keys_, buffer);
      }
  }
}

void SourceMatrix::read_keys(std::size_t head, Dtype type, float* values, ReadBuffer& buffer) const {
  const std::size_t columns = parts_[0].columns();
  std::vector<float> rows(keys_ * columns);
  parts_[0].read(head * (keys_ + values_), keys_, type, rows.data(), buffer);
  for (std::size_t column = 0; column < columns; ++column) {
    for (std::size_t key = 0; key < keys_; ++key) values[column * keys_ + key] = rows[key * columns + column];
  }
}

void SourceMatrix::read_part(MatrixPart part, std::size_t first, std::size_t count, std::byte* out) const {
  const std::size_t bytes = parts_[0].row_bytes(part);
  for_pieces(first, count, parts_[0].rows(), [&](auto index, auto inside, auto rows, auto before) {
    parts_[index].read_part(part, inside, rows, out + before * bytes);
  });
}

}  // namespace glimt::convert

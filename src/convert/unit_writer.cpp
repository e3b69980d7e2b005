#include "convert/unit_writer.h"

#include "base/error.h"
#include "convert/loops.h"
#include "convert/parallel.h"

#include <algorithm>
#include <atomic>
#include <span>

namespace glimt::convert {
namespace {

// Values of a piece: with what is made of them they fit into a core's second-level cache.
constexpr std::size_t kPieceValues = std::size_t{1} << 17;

std::size_t rows_of(const MatrixJob& job) {
  return static_cast<std::size_t>(std::max(job.size.count, 1)) * static_cast<std::size_t>(job.size.rows);
}

std::size_t piece_rows(const MatrixJob& job) {
  const std::size_t unit = job.source.rows_at_once();
  return std::max<std::size_t>(kPieceValues / static_cast<std::size_t>(job.size.columns) / unit, 1) * unit;
}

// Of the values of some rows: each row has that of its matrix.
void spread(const Importance& importance, const MatrixJob& job, std::size_t first, std::size_t count,
            std::vector<float>& values) {
  values.clear();
  if (importance.values.empty()) return;
  for (std::size_t row = first; row < first + count; ++row) {
    const std::span<const float> columns = importance.of(row / static_cast<std::size_t>(job.size.rows));
    values.insert(values.end(), columns.begin(), columns.end());
  }
}

constexpr MatrixPart kParts[] = {MatrixPart::codes, MatrixPart::scales, MatrixPart::biases};

// How many of kParts a matrix has in its files.
std::size_t part_count(const Quantization& q) { return q.mode == QuantMode::affine ? 3 : 2; }

}  // namespace

void UnitWriter::write(const Unit& unit, const Importance& importance, const std::function<void(std::size_t)>& read) {
  if (const auto* vector = std::get_if<VectorJob>(&unit.job)) {
    write_vector(unit, *vector);
    read(unit.source_bytes);
    return;
  }
  write_matrix(unit, std::get<MatrixJob>(unit.job), importance, read);
}

void UnitWriter::write_matrix(const Unit& unit, const MatrixJob& job, const Importance& importance,
                              const std::function<void(std::size_t)>& read) {
  const std::size_t rows = rows_of(job), at_once = piece_rows(job);
  std::atomic<std::size_t> done = 0;
  const std::size_t pieces = (rows + at_once - 1) / at_once;
  for_each_piece(pieces, static_cast<int>(buffers_.size()), [&](std::size_t piece, std::size_t thread) {
    const std::size_t first = piece * at_once;
    write_rows(unit, job, importance, first, std::min(at_once, rows - first), buffers_[thread]);
    const std::size_t finished = ++done;
    if (thread == 0) read(unit.source_bytes / pieces * finished);
  });
  if (!job.global_scales.empty()) {
    output_.write(unit.tensors.back().name, 0, std::as_bytes(std::span(job.global_scales)));
  }
  read(unit.source_bytes);
}

void UnitWriter::write_rows(const Unit& unit, const MatrixJob& job, const Importance& importance, std::size_t first,
                            std::size_t count, PieceBuffers& buffers) {
  if (job.copies_codes) return copy_rows(unit, job, first, count, buffers);
  const std::size_t n = count * static_cast<std::size_t>(job.size.columns);
  buffers.values.resize(n);
  job.source.read(first, count, job.type, buffers.values.data(), buffers.stored);
  if (job.quantization) {
    spread(importance, job, first, count, buffers.importance);
    quantize_rows(job, count, buffers);
  } else {
    buffers.codes.resize(n * size_of(job.type));
    loops().narrow(job.type, buffers.values.data(), buffers.codes.data(), n);
  }
  const std::size_t parts = job.quantization ? part_count(*job.quantization) : 1;
  const std::vector<std::byte>* made[] = {&buffers.codes, &buffers.scales, &buffers.biases};
  for (std::size_t i = 0; i < parts; ++i) {
    output_.write(unit.tensors[i].name, first * (made[i]->size() / count), *made[i]);
  }
}

void UnitWriter::quantize_rows(const MatrixJob& job, std::size_t count, PieceBuffers& buffers) const {
  const Quantization& q = *job.quantization;
  const auto columns = static_cast<std::size_t>(job.size.columns);
  const std::size_t n = count * columns, groups = n / static_cast<std::size_t>(q.group_size);
  buffers.codes.resize(n * static_cast<std::size_t>(q.bits) / 8);
  buffers.scales.resize(q.mode == QuantMode::affine ? groups * size_of(job.type) : groups);
  if (q.mode == QuantMode::affine) buffers.biases.resize(buffers.scales.size());
  const PackedParts out = {reinterpret_cast<unsigned char*>(buffers.codes.data()), buffers.scales.data(),
                           buffers.biases.data()};
  if (search_ && q.mode == QuantMode::affine) {
    const float* const importance = buffers.importance.empty() ? nullptr : buffers.importance.data();
    loops().search(q, job.type, buffers.values.data(), importance, n, out);
  } else {
    loops().quantize(q, job.type, buffers.values.data(), n, out);
  }
}

void UnitWriter::copy_rows(const Unit& unit, const MatrixJob& job, std::size_t first, std::size_t count,
                           PieceBuffers& buffers) {
  for (std::size_t i = 0; i < part_count(*job.quantization); ++i) {
    const std::size_t bytes = job.source.parts().front().row_bytes(kParts[i]);
    buffers.stored.resize(count * bytes);
    job.source.read_part(kParts[i], first, count, buffers.stored.data());
    output_.write(unit.tensors[i].name, first * bytes, buffers.stored);
  }
}

void UnitWriter::write_vector(const Unit& unit, const VectorJob& job) {
  std::vector<std::byte> bytes = read_whole(source_, job.tensor);
  const Dtype stored = job.tensor.info.dtype;
  const std::size_t n = bytes.size() / size_of(stored);
  if (job.type != stored) {
    std::vector<float> values(n);
    loops().widen(stored, bytes.data(), values.data(), n);
    bytes.resize(n * size_of(job.type));
    loops().narrow(job.type, values.data(), bytes.data(), n);
  }
  if (const std::size_t at = loops().first_not_finite(job.type, bytes.data(), n); at < n) {
    fail(ErrorKind::bad_file, job.tensor.file_path().string(), "tensor '{}': value {} must be a finite {}",
         job.tensor.stored_name, at, to_string(job.type));
  }
  output_.write(unit.name, 0, bytes);
}

}  // namespace glimt::convert

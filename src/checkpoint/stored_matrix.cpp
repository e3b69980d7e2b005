#include "checkpoint/stored_matrix.h"

#include "base/error.h"

namespace glimt {
namespace {

std::string describe(const Quantization& q) {
  const std::string group = q.group_size > 0 ? fmt::format(" group {}", q.group_size) : "";
  return fmt::format("{} {} bits{}", to_string(q.mode), q.bits, group);
}

int last_of(const Shape& shape) { return shape.empty() ? 0 : shape.back(); }

void check_plain(const CheckpointFolder& folder, const std::string& path, const MatrixSize& size) {
  const std::string name = path + ".weight";
  const TensorInfo& info = folder.at(name).info;
  if (info.shape != size.shape() || !is_float(info.dtype)) folder.refuse(name, "float " + to_string(size.shape()));
  const DeclaredQuantization declared = folder.declared(path);
  if (declared.of_this_matrix && declared.quantization) {
    folder.refuse(name,
                  fmt::format("quantized ({}), because its configuration says so", describe(*declared.quantization)));
  }
}

// What the shapes of the packed values and of the scales show; the mode, which they leave open, is that of `declared`
// or the usual one. Bits or group size are 0 if the shapes are impossible.
Quantization shown_by_shapes(const CheckpointFolder& folder, const std::string& path, int columns,
                             const std::optional<Quantization>& declared) {
  const std::int64_t packed = last_of(folder.at(path + ".weight").info.shape);
  const int groups = last_of(folder.at(path + ".scales").info.shape);
  Quantization q;
  q.bits = packed > 0 && packed * 32 % columns == 0 ? static_cast<int>(packed * 32 / columns) : 0;
  q.group_size = groups > 0 && columns % groups == 0 ? columns / groups : 0;
  if (folder.has(path + ".biases")) {
    q.mode = QuantMode::affine;
  } else if (declared && declared->mode != QuantMode::affine) {
    q.mode = declared->mode;
  } else {
    q.mode = q.bits == 8 ? QuantMode::mxfp8 : q.group_size == 16 ? QuantMode::nvfp4 : QuantMode::mxfp4;
  }
  return q;
}

void check_values_and_scales(const CheckpointFolder& folder, const std::string& path, const MatrixSize& size,
                             const Quantization& q) {
  const std::string name = path + ".weight";
  const TensorInfo& values = folder.at(name).info;
  if (values.dtype != Dtype::u32 || values.shape != size.with_columns(last_of(values.shape)) || q.bits == 0) {
    folder.refuse(name, fmt::format("uint32 packed values of {}", to_string(size.shape())));
  }
  const TensorInfo& scales = folder.at(path + ".scales").info;
  const bool affine = q.mode == QuantMode::affine;
  if (q.group_size == 0 || scales.shape != size.with_columns(last_of(scales.shape)) ||
      !(affine ? is_float(scales.dtype) : is_byte(scales.dtype))) {
    folder.refuse(path + ".scales",
                  fmt::format("{} scales of groups that divide {} columns", affine ? "float" : "uint8", size.columns));
  }
  if (!is_valid(q)) {
    folder.refuse(name, fmt::format("one of MLX's quantizations (the shapes say {} bits, groups of {}, mode {})",
                                    q.bits, q.group_size, to_string(q.mode)));
  }
}

void check_biases(const CheckpointFolder& folder, const std::string& path) {
  const TensorInfo& scales = folder.at(path + ".scales").info;
  const TensorInfo& biases = folder.at(path + ".biases").info;
  if (biases.shape != scales.shape || biases.dtype != scales.dtype) {
    folder.refuse(path + ".biases",
                  fmt::format("{} {} like the scales", to_string(scales.dtype), to_string(scales.shape)));
  }
}

void check_global_scale(const CheckpointFolder& folder, const std::string& path, const MatrixSize& size,
                        const Quantization& q) {
  const std::string name = path + ".global_scale";
  const TensorInfo& factor = folder.at(name).info;
  const std::size_t values = factor.nbytes / size_of(factor.dtype);
  const auto many = static_cast<std::size_t>(size.count > 0 ? size.count : size.rows);
  if (q.mode != QuantMode::nvfp4 || factor.dtype != Dtype::f32 || (values != 1 && values != many)) {
    folder.refuse(name, "float32, one value or one a matrix or row, of an nvfp4 tensor");
  }
}

void check_agreement(const CheckpointFolder& folder, const std::string& path, const Quantization& stored,
                     const Quantization& declared) {
  const bool same_group = declared.group_size == 0 || declared.group_size == stored.group_size;
  if (declared.mode == stored.mode && declared.bits == stored.bits && same_group) return;
  fail(ErrorKind::bad_file, folder.path().string(), "tensor '{}' is stored as {}, its configuration says {}",
       folder.at(path + ".weight").stored_name, describe(stored), describe(declared));
}

}  // namespace

std::optional<Quantization> check_matrix(const CheckpointFolder& folder, const std::string& path,
                                         const MatrixSize& size) {
  if (!folder.has(path + ".scales")) {
    check_plain(folder, path, size);
    return std::nullopt;
  }
  const DeclaredQuantization declared = folder.declared(path);
  if (declared.of_this_matrix && !declared.quantization) {
    folder.refuse(path + ".weight",
                  fmt::format("float {}, because its configuration says it is not quantized", to_string(size.shape())));
  }
  const Quantization stored = shown_by_shapes(folder, path, size.columns, declared.quantization);
  check_values_and_scales(folder, path, size, stored);
  if (stored.mode == QuantMode::affine) check_biases(folder, path);
  if (folder.has(path + ".global_scale")) check_global_scale(folder, path, size, stored);
  if (declared.quantization) check_agreement(folder, path, stored, *declared.quantization);
  return stored;
}

}  // namespace glimt

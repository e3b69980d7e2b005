#include "model/weights.h"

#include "base/error.h"
#include "checkpoint/layout.h"
#include "checkpoint/stored_matrix.h"
#include "kernels/ops.h"

#include <algorithm>

namespace glimt {

namespace {

// Writers put tensors at any byte of a file. Our kernels read matrices there; plain MLX operations do not promise to.
ArrayOffset matrix_offset(const kernels::Device& device) {
  return device.ops().takes_stored_weights ? ArrayOffset::any : ArrayOffset::aligned;
}

}  // namespace

Weights::Weights(const std::filesystem::path& folder, QuantizationConfig quantization, kernels::Device device)
    : folder_(folder, std::move(quantization)), device_(std::move(device)) {}

std::vector<std::shared_ptr<const MappedFile>> Weights::maps() const {
  std::vector<std::shared_ptr<const MappedFile>> maps;
  for (const auto& file : folder_.files()) maps.push_back(file->map());
  return maps;
}

void Weights::mark_taken(const std::string& name) {
  if (!taken_.insert(name).second) {
    fail(ErrorKind::internal, folder_.path().string(), "tensor '{}' is taken twice", name);
  }
}

mx::array Weights::take(const std::string& name, ArrayOffset offset) {
  const StoredTensor& tensor = folder_.at(name);
  mark_taken(name);
  return array_of(*tensor.file, tensor.info, offset);
}

// `columns`: of the matrix, of which the tensor may have one value for several.
mx::array Weights::take(const std::string& name, ArrayOffset offset, const MatrixPart& part, int columns) {
  if (part.side == MatrixPart::Side::all) return take(name, offset);
  const StoredTensor& tensor = folder_.at(name);
  const TensorInfo& info = tensor.info;
  const std::size_t behind = part.side == MatrixPart::Side::stack ? 3 : part.side == MatrixPart::Side::rows ? 2 : 1;
  const std::size_t axis = info.shape.size() - behind;
  std::int64_t from = part.from, to = part.to;
  if (part.side == MatrixPart::Side::columns) {
    from *= info.shape[axis];
    to *= info.shape[axis];
    if (from % columns != 0 || to % columns != 0) {
      folder_.refuse(name, fmt::format("columns that can be cut at {} and {} of {}", part.from, part.to, columns));
    }
    from /= columns;
    to /= columns;
  }
  if (from == 0 && to == info.shape[axis]) return take(name, offset);
  mark_taken(name);
  mx::array values = array_of_part(*tensor.file, info, axis, static_cast<int>(from), static_cast<int>(to), offset);
  set_aside_bytes_ += info.nbytes - values.nbytes();
  const std::byte *data = values.data<std::byte>(), *file = tensor.file->map()->data();
  if (data < file || data >= file + tensor.file->map()->size()) copied_bytes_ += values.nbytes();
  return values;
}

mx::array Weights::take_vector(const std::string& name, int size) {
  const TensorInfo& info = folder_.at(name).info;
  if (info.shape != Shape{size} || !is_float(info.dtype)) folder_.refuse(name, fmt::format("float [{}]", size));
  const mx::array values = mx::astype(take(name), mx::float32);
  mx::eval(values);
  return values;
}

Weight Weights::take_stored(const std::string& path, int rows, int columns, int count, const MatrixPart& part) {
  const auto quantization = check_matrix(folder_, path, {count, rows, columns});
  const ArrayOffset offset = matrix_offset(device_);
  const auto of = [&](MatrixPart::Side side, int all) { return part.side == side ? part.to - part.from : all; };
  Weight w{of(MatrixPart::Side::stack, count),
           of(MatrixPart::Side::rows, rows),
           of(MatrixPart::Side::columns, columns),
           take(path + ".weight", offset, part, columns),
           quantization,
           std::nullopt,
           std::nullopt,
           std::nullopt};
  if (!quantization) return w;
  w.scales = take(path + ".scales", offset, part, columns);
  if (quantization->mode == QuantMode::affine) w.biases = take(path + ".biases", offset, part, columns);
  w.global_scale = take_global_scale(path, count, part);
  return w;
}

// One value, or one for each matrix of a stack, or one for each row of a single matrix.
std::optional<mx::array> Weights::take_global_scale(const std::string& path, int count, const MatrixPart& part) {
  const std::string name = path + ".global_scale";
  if (!has(name)) return std::nullopt;
  const float unit = global_scale_unit(folder_.at(name).stored_name);
  mx::array values = mx::multiply(mx::flatten(take(name)), mx::array(unit));
  const bool cut = part.side == (count > 0 ? MatrixPart::Side::stack : MatrixPart::Side::rows);
  if (cut && values.size() > 1) values = mx::contiguous(mx::slice(values, {part.from}, {part.to}));
  mx::eval(values);
  return values;
}

Weight Weights::prepared(const Weight& w, std::optional<mx::Dtype> multiplied_with) const {
  const auto prepare = device_.ops().prepare;
  return prepare == nullptr ? w : prepare(w, multiplied_with.value_or(device_.activations()));
}

Weight Weights::take_matrix(const std::string& path, int rows, int columns, int count,
                            std::optional<mx::Dtype> multiplied_with) {
  return prepared(take_stored(path, rows, columns, count, {}), multiplied_with);
}

Weight Weights::take_part(const std::string& path, int rows, int columns, int count, const MatrixPart& part) {
  return prepared(take_stored(path, rows, columns, count, part), std::nullopt);
}

int Weights::group_size(const std::string& path, int rows, int columns, int count) const {
  const auto quantization = check_matrix(folder_, path, {count, rows, columns});
  return quantization ? quantization->group_size : 1;
}

std::shared_ptr<const Weight> Weights::take_shared(const std::string& path, int rows, int columns,
                                                   std::optional<mx::Dtype> multiplied_with) {
  return std::make_shared<const Weight>(take_matrix(path, rows, columns, 0, multiplied_with));
}

namespace {

template <typename F>
void for_each_of(const CheckpointFolder& folder, const std::string& prefix, F f) {
  const auto& tensors = folder.tensors();
  for (auto it = tensors.lower_bound(prefix); it != tensors.end() && it->first.starts_with(prefix); ++it) {
    f(*it->second.file->map(), it->second.info);
  }
}

}  // namespace

void Weights::set_aside(const std::function<bool(const std::string& name)>& of_others) {
  for (const auto& [name, tensor] : folder_.tensors()) {
    if (of_others(name) && taken_.insert(name).second) set_aside_bytes_ += tensor.info.nbytes;
  }
}

std::size_t Weights::bytes_of(const std::string& prefix) const {
  std::size_t bytes = 0;
  for_each_of(folder_, prefix, [&](const MappedFile&, const TensorInfo& info) { bytes += info.nbytes; });
  return bytes;
}

void Weights::expect(const std::string& prefix) const {
  for_each_of(folder_, prefix,
              [](const MappedFile& file, const TensorInfo& info) { file.expect(info.offset, info.nbytes); });
}

void Weights::drop(const std::string& prefix) const {
  for_each_of(folder_, prefix,
              [](const MappedFile& file, const TensorInfo& info) { file.drop(info.offset, info.nbytes); });
}

void Weights::finish() const {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> left;
  std::set<std::string> files;
  for (const auto& [name, tensor] : folder_.tensors()) {
    if (taken_.contains(name) || name.ends_with("rotary_emb.inv_freq"))
      continue;  // a constant that old exporters store
    left.push_back(tensor.stored_name);
    files.insert(tensor.file->path().filename().string());
  }
  if (left.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(left.size(), kShown); ++i) names += (i > 0 ? ", " : "") + left[i];
  fail(ErrorKind::bad_file, (folder_.path() / *files.begin()).string(),
       "{} tensors belong to no part of the model: {}{}{}", left.size(), names, left.size() > kShown ? ", …" : "",
       files.size() > 1 ? fmt::format(" (in {} files)", files.size()) : "");
}

}  // namespace glimt

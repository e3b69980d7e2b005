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

mx::array Weights::take(const std::string& name, ArrayOffset offset) {
  const StoredTensor& tensor = folder_.at(name);
  if (!taken_.insert(name).second) {
    fail(ErrorKind::internal, folder_.path().string(), "tensor '{}' is taken twice", name);
  }
  return array_of(*tensor.file, tensor.info, offset);
}

mx::array Weights::take_vector(const std::string& name, int size) {
  const TensorInfo& info = folder_.at(name).info;
  if (info.shape != Shape{size} || !is_float(info.dtype)) folder_.refuse(name, fmt::format("float [{}]", size));
  const mx::array values = mx::astype(take(name), mx::float32);
  mx::eval(values);
  return values;
}

Weight Weights::take_stored(const std::string& path, int rows, int columns, int count) {
  const auto quantization = check_matrix(folder_, path, {count, rows, columns});
  const ArrayOffset offset = matrix_offset(device_);
  Weight w{count,        rows,         columns,      take(path + ".weight", offset),
           quantization, std::nullopt, std::nullopt, std::nullopt};
  if (!quantization) return w;
  w.scales = take(path + ".scales", offset);
  if (quantization->mode == QuantMode::affine) w.biases = take(path + ".biases", offset);
  if (const std::string global = path + ".global_scale"; has(global)) {
    const float unit = global_scale_unit(folder_.at(global).stored_name);
    w.global_scale = mx::multiply(mx::flatten(take(global)), mx::array(unit));
    mx::eval(*w.global_scale);
  }
  return w;
}

Weight Weights::take_matrix(const std::string& path, int rows, int columns, int count,
                            std::optional<mx::Dtype> multiplied_with) {
  Weight w = take_stored(path, rows, columns, count);
  const auto prepare = device_.ops().prepare;
  return prepare == nullptr ? w : prepare(w, multiplied_with.value_or(device_.activations()));
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

#include "model/weights.h"

#include "base/error.h"
#include "kernels/ops.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace glimt {
namespace {

struct Spelling {
  std::string_view theirs;
  std::string_view ours;
};

// Ollama's endings, on disk and as its loader renames them.
constexpr Spelling kEndings[] = {{".weight.scale", ".scales"},
                                 {".weight_scale", ".scales"},
                                 {".weight.bias", ".biases"},
                                 {".weight_qbias", ".biases"},
                                 {".weight.global_scale", ".global_scale"},
                                 {".weight_global_scale", ".global_scale"},
                                 {".weight_scale_2", ".global_scale"}};
constexpr std::string_view kProjections[] = {"gate_proj", "up_proj", "down_proj"};

std::string canonical(std::string name) {
  for (const auto& [theirs, ours] : kEndings) {
    if (name.ends_with(theirs)) {
      name.replace(name.size() - theirs.size(), theirs.size(), ours);
      break;
    }
  }
  for (const std::string_view projection :
       kProjections) {  // stacked experts; single ones have a number after "experts."
    const std::string theirs = ".mlp.experts." + std::string(projection) + ".";
    if (const std::size_t at = name.find(theirs); at != std::string::npos) {
      name.replace(at, theirs.size(), ".mlp.switch_mlp." + std::string(projection) + ".");
    }
  }
  return name;
}

std::string text(const mx::Shape& shape) {
  std::string out = "[";
  for (const auto dim : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(dim);
  return out + "]";
}

std::string text(mx::Dtype dtype) {
  std::ostringstream out;
  out << dtype;
  return out.str();
}

bool is_float(mx::Dtype dtype) { return dtype == mx::float32 || dtype == mx::float16 || dtype == mx::bfloat16; }

mx::Shape shape_of(int count, int rows, int columns) {
  return count > 0 ? mx::Shape{count, rows, columns} : mx::Shape{rows, columns};
}

// Ollama's quant_type in a file's metadata; the group size is left 0, unknown.
std::optional<Quantization> ollama_quantization(const std::string& quant_type) {
  std::string lower = quant_type;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "int4") return Quantization{QuantMode::affine, 4, 0};
  if (lower == "int8") return Quantization{QuantMode::affine, 8, 0};
  const std::optional<QuantMode> mode = quant_mode_from(lower);
  if (!mode || *mode == QuantMode::affine) return std::nullopt;
  return Quantization{*mode, *mode == QuantMode::mxfp8 ? 8 : 4, 0};
}

std::vector<std::filesystem::path> shards_of(const std::filesystem::path& folder,
                                             std::map<std::string, std::string>& weight_map) {
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  std::set<std::filesystem::path> shards;
  if (std::filesystem::exists(index)) {
    const json::value value = parse_json_file(index, std::size_t{256} << 20);
    if (!value.is_object()) fail(ErrorKind::bad_file, index.string(), "must hold a JSON object");
    for (const auto& [name, file] : JsonFields(value.get_object(), index.string()).object("weight_map")) {
      const std::string shard(file.is_string() ? std::string(file.get_string()) : "");
      if (shard.empty() || shard != std::filesystem::path(shard).filename().string() || shard == "." || shard == "..") {
        fail(ErrorKind::bad_file, index.string(), "tensor '{}' must be in a file of this folder, got {}",
             std::string(name), dump_json(file));
      }
      weight_map.emplace(name, shard);
      shards.insert(folder / shard);
    }
  } else {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors" && entry.path().filename() != "golden.safetensors")
        shards.insert(entry.path());
    }
  }
  if (shards.empty()) fail(ErrorKind::not_found, folder.string(), "holds no .safetensors file");
  return {shards.begin(), shards.end()};
}

// Writers put tensors at any byte of a file. Our kernels read matrices there; plain MLX operations do not promise to.
SafetensorsFile::Offset matrix_offset(const kernels::Device& device) {
  return device.ops().reads_any_address ? SafetensorsFile::Offset::any : SafetensorsFile::Offset::aligned;
}

}  // namespace

Weights::Weights(const std::filesystem::path& folder, QuantizationConfig quantization, kernels::Device device)
    : folder_(folder), quantization_(std::move(quantization)), device_(std::move(device)) {
  std::map<std::string, std::string> weight_map;
  for (const std::filesystem::path& shard : shards_of(folder, weight_map)) open(shard);
  for (const auto& [name, shard] : weight_map) {
    const auto found = tensors_.find(canonical(name));
    if (found == tensors_.end() || found->second.file->path().filename() != shard) {
      fail(ErrorKind::bad_file, (folder / "model.safetensors.index.json").string(), "tensor '{}' is not in {}", name,
           shard);
    }
  }
}

void Weights::open(const std::filesystem::path& path) {
  files_.push_back(std::make_unique<SafetensorsFile>(path));
  const SafetensorsFile& file = *files_.back();
  for (const auto& [name, info] : file.tensors()) {
    const auto [entry, fresh] = tensors_.try_emplace(canonical(name), Source{&file, name});
    if (!fresh) {
      fail(ErrorKind::bad_file, path.string(), "tensor '{}' is also in {} (as '{}')", name,
           entry->second.file->path().string(), entry->second.name);
    }
    total_bytes_ += info.nbytes;
  }
}

std::vector<std::shared_ptr<const MappedFile>> Weights::maps() const {
  std::vector<std::shared_ptr<const MappedFile>> maps;
  for (const auto& file : files_) maps.push_back(file->map());
  return maps;
}

bool Weights::has_prefix(const std::string& prefix) const {
  const auto next = tensors_.lower_bound(prefix);
  return next != tensors_.end() && next->first.starts_with(prefix);
}

Weights::Source& Weights::source(const std::string& name) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(ErrorKind::bad_file, folder_.string(), "tensor '{}' is missing", name);
  if (found->second.taken) fail(ErrorKind::internal, folder_.string(), "tensor '{}' is taken twice", name);
  return found->second;
}

const TensorInfo& Weights::info(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(ErrorKind::bad_file, folder_.string(), "tensor '{}' is missing", name);
  return found->second.file->tensors().at(found->second.name);
}

void Weights::wrong_shape(const std::string& name, const std::string& wanted) const {
  const Source& from = tensors_.at(name);
  const TensorInfo& got = info(name);
  fail(ErrorKind::bad_file, from.file->path().string(), "tensor '{}' must be {}, got {} {}", from.name, wanted,
       text(got.dtype), text(got.shape));
}

mx::array Weights::take(const std::string& name, SafetensorsFile::Offset offset) {
  Source& from = source(name);
  from.taken = true;
  return from.file->array(from.name, offset);
}

mx::array Weights::take_vector(const std::string& name, int size) {
  const TensorInfo& got = info(name);
  if (got.shape != mx::Shape{size} || !is_float(got.dtype)) wrong_shape(name, fmt::format("float [{}]", size));
  const mx::array values = mx::astype(take(name), mx::float32);
  mx::eval(values);
  return values;
}

// What the files or config.json say of a quantized matrix; nullopt when they say nothing.
std::optional<Quantization> Weights::stored_quantization(const std::string& path) const {
  const Source& from = tensors_.at(path + ".weight");
  const auto& metadata = from.file->metadata();
  for (const std::string& key : {from.name + ".quant_type", std::string("quant_type")}) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    const std::optional<Quantization> q = ollama_quantization(found->second);
    if (!q) fail(ErrorKind::unsupported, from.file->path().string(), "metadata '{}' is '{}'", key, found->second);
    return q;
  }
  return quantization_.of(path);
}

Weight Weights::take_matrix(const std::string& path, int rows, int columns, int count) {
  const std::string name = path + ".weight";
  const TensorInfo& got = info(name);
  const auto where = matrix_offset(device_);
  const mx::Shape plain = shape_of(count, rows, columns);
  if (!has(path + ".scales")) {
    if (got.shape != plain || !is_float(got.dtype)) wrong_shape(name, "float " + text(plain));
    return {count, rows, columns, take(name, where), std::nullopt, std::nullopt, std::nullopt, std::nullopt};
  }

  // The shapes alone show bits and group size; the mode follows from the files' metadata, config.json or the scales.
  const TensorInfo& scales = info(path + ".scales");
  const bool affine = has(path + ".biases");
  const std::int64_t packed = got.shape.empty() ? 0 : got.shape.back();
  const std::int64_t groups = scales.shape.empty() ? 0 : scales.shape.back();
  Quantization q;
  q.bits = packed > 0 && packed * 32 % columns == 0 ? static_cast<int>(packed * 32 / columns) : 0;
  q.group_size = groups > 0 && columns % groups == 0 ? static_cast<int>(columns / groups) : 0;
  const std::optional<Quantization> stored = stored_quantization(path);
  if (!stored && quantization_.overrides.contains(path)) {
    wrong_shape(name, "float " + text(plain) + ", because its configuration says it is not quantized");
  }
  if (affine) {
    q.mode = QuantMode::affine;
  } else if (stored && stored->mode != QuantMode::affine) {
    q.mode = stored->mode;
  } else {
    q.mode = q.bits == 8 ? QuantMode::mxfp8 : q.group_size == 16 ? QuantMode::nvfp4 : QuantMode::mxfp4;
  }
  const mx::Shape packed_shape = shape_of(count, rows, static_cast<int>(packed));
  const mx::Shape scale_shape = shape_of(count, rows, static_cast<int>(groups));
  if (got.dtype != mx::uint32 || got.shape != packed_shape || q.bits == 0) {
    wrong_shape(name, fmt::format("uint32 packed values of {}", text(plain)));
  }
  if (q.group_size == 0 || scales.shape != scale_shape ||
      !(affine ? is_float(scales.dtype) : scales.dtype == mx::uint8)) {
    wrong_shape(path + ".scales",
                fmt::format("{} scales of groups that divide {} columns", affine ? "float" : "uint8", columns));
  }
  if (!is_valid(q)) {
    wrong_shape(name, fmt::format("one of MLX's quantizations (the shapes say {} bits, groups of {}, mode {})", q.bits,
                                  q.group_size, to_string(q.mode)));
  }
  if (stored && (stored->mode != q.mode || stored->bits != q.bits ||
                 (stored->group_size != 0 && stored->group_size != q.group_size))) {
    fail(ErrorKind::bad_file, folder_.string(),
         "tensor '{}' is stored as {} {} bits group {}, its configuration says {} {} bits group {}", name,
         to_string(q.mode), q.bits, q.group_size, to_string(stored->mode), stored->bits, stored->group_size);
  }

  Weight w{count, rows, columns, take(name, where), q, take(path + ".scales", where), std::nullopt, std::nullopt};
  if (affine) {
    const TensorInfo& biases = info(path + ".biases");
    if (biases.shape != scale_shape || biases.dtype != scales.dtype) {
      wrong_shape(path + ".biases", fmt::format("{} {} like the scales", text(scales.dtype), text(scale_shape)));
    }
    w.biases = take(path + ".biases", where);
  }
  if (const std::string global = path + ".global_scale"; has(global)) {
    const TensorInfo& factor = info(global);
    std::int64_t size = 1;
    for (const auto dim : factor.shape) size *= dim;
    if (q.mode != QuantMode::nvfp4 || factor.dtype != mx::float32 ||
        (size != 1 && size != (count > 0 ? count : rows))) {
      wrong_shape(global, "float32, one value or one a matrix or row, of an nvfp4 tensor");
    }
    w.global_scale = mx::reshape(take(global), {static_cast<int>(size)});
    mx::eval(*w.global_scale);
  }
  return w;
}

std::shared_ptr<const Weight> Weights::take_shared(const std::string& path, int rows, int columns, int count) {
  return std::make_shared<const Weight>(take_matrix(path, rows, columns, count));
}

std::vector<StoredTensor> Weights::stored() const {
  std::vector<StoredTensor> all;
  for (const auto& [name, from] : tensors_) {
    const TensorInfo& tensor = from.file->tensors().at(from.name);
    StoredTensor entry{name, tensor.shape, tensor.dtype, tensor.nbytes, std::nullopt};
    if (name.ends_with(".weight")) {
      const std::string path = name.substr(0, name.size() - std::string_view(".weight").size());
      if (has(path + ".scales")) entry.quantization = stored_quantization(path);
    }
    all.push_back(std::move(entry));
  }
  return all;
}

void Weights::finish() const {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> left;
  for (const auto& [name, from] : tensors_) {
    if (!from.taken && !name.ends_with("rotary_emb.inv_freq"))
      left.push_back(from.name);  // a constant that old exporters store
  }
  if (left.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < std::min(left.size(), kShown); ++i) names += (i > 0 ? ", " : "") + left[i];
  fail(ErrorKind::bad_file, folder_.string(), "{} tensors belong to no part of the model: {}{}", left.size(), names,
       left.size() > kShown ? ", …" : "");
}

}  // namespace glimt

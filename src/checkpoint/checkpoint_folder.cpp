#include "checkpoint/checkpoint_folder.h"

#include "base/error.h"
#include "checkpoint/layout.h"
#include "checkpoint/weight_files.h"

#include <algorithm>
#include <cctype>

namespace glimt {
namespace {

constexpr std::string_view kWeight = ".weight";

// Ollama's quant_type in a file's metadata; the group size is left 0, not said.
std::optional<Quantization> ollama_quantization(const std::string& quant_type) {
  std::string lower = quant_type;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "int4") return Quantization{QuantMode::affine, 4, 0};
  if (lower == "int8") return Quantization{QuantMode::affine, 8, 0};
  const std::optional<QuantMode> mode = quant_mode_from(lower);
  if (!mode || *mode == QuantMode::affine) return std::nullopt;
  return Quantization{*mode, *mode == QuantMode::mxfp8 ? 8 : 4, 0};
}

std::string without_ending(const std::string& name, std::string_view ending) {
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : name;
}

}  // namespace

CheckpointFolder::CheckpointFolder(const std::filesystem::path& folder, QuantizationConfig quantization)
    : path_(folder), quantization_(std::move(quantization)) {
  WeightFiles found = find_weight_files(folder);
  for (const std::filesystem::path& file : found.files) open(file);
  check_index(found.index);
  not_read_ = std::move(found.not_read);
}

CheckpointFolder::CheckpointFolder(const std::shared_ptr<const GgufModel>& model) : path_(model->path()) {
  for (const auto& [name, entry] : model->tensors()) {
    for (NamedGgufPart& part : gguf_parts(name, entry)) {
      total_bytes_ += part.info.nbytes;
      tensors_.emplace(std::move(part.name),
                       StoredTensor{nullptr, entry.stored_name, std::move(part.info), model, part.part});
    }
  }
}

void CheckpointFolder::open(const std::filesystem::path& path) {
  files_.push_back(std::make_shared<const SafetensorsFile>(path));
  const std::shared_ptr<const SafetensorsFile>& file = files_.back();
  for (const auto& [stored_name, info] : file->tensors()) {
    total_bytes_ += info.nbytes;
    for (NamedTensor& tensor : named_tensors(stored_name, info, path.string())) {
      const auto [entry, fresh] = tensors_.try_emplace(
          std::move(tensor.name), StoredTensor{file, stored_name, std::move(tensor.info), nullptr, {}});
      if (!fresh) {
        fail(ErrorKind::bad_file, path.string(), "tensor '{}' is also in {} (as '{}'); which of them counts?",
             stored_name, entry->second.file_path().string(), entry->second.stored_name);
      }
    }
  }
}

void CheckpointFolder::check_index(const std::map<std::string, std::string>& index) const {
  std::map<std::string, const SafetensorsFile*> by_name;
  for (const auto& file : files_) by_name.emplace(file->path().filename().string(), file.get());
  for (const auto& [tensor, file] : index) {
    if (!by_name.at(file)->tensors().contains(tensor)) {
      fail(ErrorKind::bad_file, (path_ / "model.safetensors.index.json").string(),
           "tensor '{}' is not in {}; if the index is stale (of other weights), remove it", tensor, file);
    }
  }
}

bool CheckpointFolder::has_prefix(const std::string& prefix) const {
  const auto next = tensors_.lower_bound(prefix);
  return next != tensors_.end() && next->first.starts_with(prefix);
}

const StoredTensor& CheckpointFolder::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail(ErrorKind::bad_file, path_.string(), "tensor '{}' is missing", name);
  return found->second;
}

DeclaredQuantization CheckpointFolder::declared(const std::string& path) const {
  const StoredTensor& tensor = at(path + std::string(kWeight));
  if (tensor.file == nullptr) return {};
  const auto& metadata = tensor.file->metadata();
  const std::string own_key = tensor.stored_name + ".quant_type";
  for (const std::string& key : {own_key, std::string("quant_type")}) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    const std::optional<Quantization> q = ollama_quantization(found->second);
    if (!q) fail(ErrorKind::unsupported, tensor.file->path().string(), "metadata '{}' is '{}'", key, found->second);
    return {q, key == own_key};
  }
  for (const std::string& name : {path, without_ending(tensor.stored_name, kWeight)}) {
    const auto found = quantization_.overrides.find(name);
    if (found != quantization_.overrides.end()) return {found->second, true};
  }
  return {quantization_.fallback, false};
}

void CheckpointFolder::refuse(const std::string& name, const std::string& wanted) const {
  const StoredTensor& tensor = at(name);
  fail(ErrorKind::bad_file, tensor.file_path().string(), "tensor '{}' must be {}, got {} {}", tensor.stored_name,
       wanted, to_string(tensor.info.dtype), to_string(tensor.info.shape));
}

}  // namespace glimt

#include "checkpoint/summary.h"

#include "checkpoint/checkpoint_folder.h"

namespace glimt {
namespace {

// A tensor and, if it holds packed values, how its folder says that it is quantized.
struct Entry {
  const std::string& name;
  const TensorInfo& info;
  std::optional<Quantization> quantization;
};

Entry entry_of(const CheckpointFolder& folder, const std::string& name, const TensorInfo& info) {
  constexpr std::string_view kWeight = ".weight";
  Entry entry{name, info, std::nullopt};
  if (name.ends_with(kWeight)) {
    const std::string path = name.substr(0, name.size() - kWeight.size());
    if (folder.has(path + ".scales")) entry.quantization = folder.declared(path).quantization;
  }
  return entry;
}

std::size_t parameters_of(const Entry& entry) {
  for (const std::string_view ending : {".scales", ".biases", ".global_scale"}) {
    if (entry.name.ends_with(ending)) return 0;
  }
  if (entry.quantization) return entry.info.nbytes * 8 / static_cast<std::size_t>(entry.quantization->bits);
  return entry.info.nbytes / size_of(entry.info.dtype);
}

std::string format_of(const Entry& entry) {
  if (!entry.quantization) return std::string(to_string(entry.info.dtype));
  const Quantization& q = *entry.quantization;
  std::string text = q.mode == QuantMode::affine ? fmt::format("affine {} bits", q.bits) : q.mode_name();
  if (q.group_size > 0) text += fmt::format(" group {}", q.group_size);
  return text;
}

// The part of a trunk's tensor that one token reads.
double active_share(const std::string& name, const Config& c) {
  const bool expert =
      name.find(".mlp.switch_mlp.") != std::string::npos || name.find(".mlp.experts.") != std::string::npos;
  if (name.starts_with("model.embed_tokens.") && !c.tie_word_embeddings) return 1.0 / c.vocab_size;
  return expert ? static_cast<double>(c.num_experts_per_tok) / c.n_routed_experts : 1.0;
}

std::string note_of(const CheckpointFolder& folder, const char* key) {
  for (const auto& file : folder.files()) {
    if (const auto found = file->metadata().find(key); found != file->metadata().end()) return found->second;
  }
  return "";
}

}  // namespace

std::size_t ModelSummary::cache_bytes_per_token() const {
  const std::size_t layers = static_cast<std::size_t>(config.num_hidden_layers) + (has_mtp ? 1 : 0);
  return layers * static_cast<std::size_t>(config.cache_width()) * 2;
}

ModelSummary summarize(const std::filesystem::path& folder) {
  ModelSummary summary;
  summary.config = Config::from_folder(folder);
  const Config& c = summary.config;
  const CheckpointFolder files(folder, c.quantization);
  summary.not_read = files.not_read();
  summary.files_bytes = files.total_bytes();
  summary.made_from = note_of(files, "made_from");
  summary.made_how = note_of(files, "made_how");
  const std::string mtp = "model.layers." + std::to_string(c.num_hidden_layers) + ".";
  for (const auto& [name, tensor] : files.tensors()) {
    const Entry entry = entry_of(files, name, tensor.info);
    const std::size_t parameters = parameters_of(entry);
    if (parameters > 0) summary.parameters_by_format[format_of(entry)] += parameters;
    if (name.starts_with(mtp)) {
      summary.has_mtp = true;
      summary.mtp_parameters += parameters;
      continue;
    }
    const double share = active_share(name, c);
    summary.trunk_parameters += parameters;
    summary.active_parameters += static_cast<std::size_t>(share * static_cast<double>(parameters));
    summary.active_bytes += static_cast<std::size_t>(share * static_cast<double>(tensor.info.nbytes));
  }
  return summary;
}

}  // namespace glimt

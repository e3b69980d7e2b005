#include "model/summary.h"

#include "model/weights.h"

#include <sstream>

namespace glimt {
namespace {

std::size_t parameters_of(const StoredTensor& tensor) {
  if (tensor.name.ends_with(".scales") || tensor.name.ends_with(".biases") || tensor.name.ends_with(".global_scale"))
    return 0;
  if (tensor.quantization) return tensor.nbytes * 8 / static_cast<std::size_t>(tensor.quantization->bits);
  return tensor.nbytes / tensor.dtype.size();
}

std::string format_of(const StoredTensor& tensor) {
  if (!tensor.quantization) {
    std::ostringstream out;
    out << tensor.dtype;
    return out.str();
  }
  const Quantization& q = *tensor.quantization;
  std::string text = q.mode == QuantMode::affine ? fmt::format("affine {} bits", q.bits) : q.mode_name();
  if (q.group_size > 0) text += fmt::format(" group {}", q.group_size);
  return text;
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
  const Weights weights(folder, c.quantization);
  const std::string mtp = "model.layers." + std::to_string(c.num_hidden_layers) + ".";
  for (const StoredTensor& tensor : weights.stored()) {
    const std::size_t parameters = parameters_of(tensor);
    summary.files_bytes += tensor.nbytes;
    if (parameters > 0) summary.parameters_by_format[format_of(tensor)] += parameters;
    if (tensor.name.starts_with(mtp)) {
      summary.has_mtp = true;
      summary.mtp_parameters += parameters;
      continue;
    }
    summary.trunk_parameters += parameters;
    const bool expert = tensor.name.find(".mlp.switch_mlp.") != std::string::npos ||
                        tensor.name.find(".mlp.experts.") != std::string::npos;
    double share = expert ? static_cast<double>(c.num_experts_per_tok) / c.n_routed_experts : 1.0;
    if (tensor.name.starts_with("model.embed_tokens.") && !c.tie_word_embeddings) share = 1.0 / c.vocab_size;
    summary.active_parameters += static_cast<std::size_t>(share * static_cast<double>(parameters));
    summary.active_bytes += static_cast<std::size_t>(share * static_cast<double>(tensor.nbytes));
  }
  return summary;
}

}  // namespace glimt

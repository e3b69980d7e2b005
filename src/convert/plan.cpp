#include "convert/plan.h"

#include "base/error.h"
#include "model/layer_stack.h"

#include <algorithm>
#include <set>

namespace glimt::convert {
namespace {

std::size_t elements_of(const Shape& shape) {
  std::size_t n = 1;
  for (const int dim : shape) n *= static_cast<std::size_t>(dim);
  return n;
}

// What a config's name for a dtype means; bfloat16 where it says nothing that glimt stores.
Dtype float_type_of(const std::string& name) {
  for (const Dtype type : {Dtype::f32, Dtype::f16}) {
    if (to_string(type) == name) return type;
  }
  return Dtype::bf16;
}

std::vector<OutputTensor> tensors_of(const MatrixJob& job) {
  const std::string& path = job.path;
  if (!job.quantization) return {{path + ".weight", job.type, job.size.shape()}};
  const Quantization& q = *job.quantization;
  const Shape codes = job.size.with_columns(static_cast<int>(std::int64_t{job.size.columns} * q.bits / 32));
  const Shape groups = job.size.with_columns(job.size.columns / q.group_size);
  if (q.mode == QuantMode::affine) {
    return {{path + ".weight", Dtype::u32, codes},
            {path + ".scales", job.type, groups},
            {path + ".biases", job.type, groups}};
  }
  std::vector<OutputTensor> tensors = {{path + ".weight", Dtype::u32, codes}, {path + ".scales", Dtype::u8, groups}};
  if (!job.global_scales.empty()) {
    tensors.push_back({path + ".global_scale", Dtype::f32, {static_cast<int>(job.global_scales.size())}});
  }
  return tensors;
}

// The quantization that all parts have; nothing if they are floats or differ.
std::optional<Quantization> common_quantization(const SourceMatrix& source) {
  const auto& first = source.parts().front().quantization();
  const bool same = std::all_of(source.parts().begin(), source.parts().end(),
                                [&](const StoredRows& part) { return part.quantization() == first; });
  return same ? first : std::nullopt;
}

bool any_quantized(const SourceMatrix& source) {
  return std::any_of(source.parts().begin(), source.parts().end(),
                     [](const StoredRows& part) { return part.quantization().has_value(); });
}

std::vector<float> global_scales_of(const SourceMatrix& source) {
  std::vector<float> all;
  const auto has = [](const StoredRows& part) { return !part.global_scales().empty(); };
  if (std::none_of(source.parts().begin(), source.parts().end(), has)) return all;
  constexpr float kOne = 448 * 6;
  for (const StoredRows& part : source.parts()) {
    if (!has(part)) all.push_back(kOne);
    all.insert(all.end(), part.global_scales().begin(), part.global_scales().end());
  }
  return all;
}

class Planner {
 public:
  Planner(const SourceFiles& files, const Config& config, const PlanOptions& options)
      : files_(files), folder_(files.folder()), config_(config), options_(options) {}

  std::vector<Unit> plan() {
    const Config& c = config_;
    matrix("model.embed_tokens", c.vocab_size, c.hidden_size);
    for (int i = 0; i < c.num_hidden_layers; ++i) layer(layer_path(i), c.is_moe_layer[static_cast<std::size_t>(i)]);
    vector("model.norm.weight", c.hidden_size);
    if (!c.tie_word_embeddings) matrix("lm_head", c.vocab_size, c.hidden_size);
    if (const std::string mtp = layer_path(c.num_hidden_layers); folder_.has_prefix(mtp + ".")) mtp_layer(mtp);
    check_all_taken();
    return std::move(units_);
  }

 private:
  void layer(const std::string& path, bool is_moe) {
    vector(path + ".input_layernorm.weight", config_.hidden_size);
    attention(path + ".self_attn");
    vector(path + ".post_attention_layernorm.weight", config_.hidden_size);
    if (is_moe) {
      moe(path + ".mlp");
    } else {
      swiglu(path + ".mlp", config_.intermediate_size);
    }
  }

  void attention(const std::string& path) {
    const Config& c = config_;
    const int q_rows = c.num_attention_heads * c.qk_head_dim();
    if (c.q_lora_rank) {
      linear(path + ".q_a_proj", *c.q_lora_rank, c.hidden_size);
      vector(path + ".q_a_layernorm.weight", *c.q_lora_rank);
      matrix(path + ".q_b_proj", q_rows, *c.q_lora_rank);
    } else {
      matrix(path + ".q_proj", q_rows, c.hidden_size);
    }
    linear(path + ".kv_a_proj_with_mqa", c.cache_width(), c.hidden_size);
    vector(path + ".kv_a_layernorm.weight", c.kv_lora_rank);
    heads(path);
    linear(path + ".o_proj", c.hidden_size, c.num_attention_heads * c.v_head_dim);
  }

  void heads(const std::string& path) {
    const Config& c = config_;
    const int nope = c.qk_nope_head_dim, v = c.v_head_dim;
    const MatrixSize keys{c.num_attention_heads, c.kv_lora_rank, nope};
    const MatrixSize values{c.num_attention_heads, v, c.kv_lora_rank};
    if (const std::string joined = path + ".kv_b_proj"; folder_.has(joined + ".weight")) {
      const StoredRows kv_b = take(joined, {0, c.num_attention_heads * (nope + v), c.kv_lora_rank});
      add(path + ".embed_q", keys, SourceMatrix::keys_of(kv_b, nope, v));
      add(path + ".unembed_out", values, SourceMatrix::values_of(kv_b, nope, v));
      return;
    }
    matrix(path + ".embed_q", keys.rows, keys.columns, keys.count);
    matrix(path + ".unembed_out", values.rows, values.columns, values.count);
  }

  void swiglu(const std::string& path, int width) {
    matrix(path + ".gate_proj", width, config_.hidden_size);
    matrix(path + ".up_proj", width, config_.hidden_size);
    matrix(path + ".down_proj", config_.hidden_size, width);
  }

  void moe(const std::string& path) {
    const Config& c = config_;
    matrix(path + ".gate", c.n_routed_experts, c.hidden_size);
    vector(path + ".gate.e_score_correction_bias", c.n_routed_experts);
    experts(path, "gate_proj", c.moe_intermediate_size, c.hidden_size);
    experts(path, "up_proj", c.moe_intermediate_size, c.hidden_size);
    experts(path, "down_proj", c.hidden_size, c.moe_intermediate_size);
    if (c.n_shared_experts > 0) swiglu(path + ".shared_experts", c.moe_intermediate_size * c.n_shared_experts);
  }

  void experts(const std::string& path, const std::string& projection, int rows, int columns) {
    const MatrixSize size{config_.n_routed_experts, rows, columns};
    const std::string stack = path + ".switch_mlp." + projection;
    std::vector<StoredRows> parts;
    if (folder_.has(stack + ".weight")) {
      parts.push_back(take(stack, size));
    } else {
      for (int e = 0; e < size.count; ++e) {
        parts.push_back(take(fmt::format("{}.experts.{}.{}", path, e, projection), {0, rows, columns}));
      }
    }
    add(stack, size, SourceMatrix::stacked(std::move(parts)));
  }

  void mtp_layer(const std::string& path) {
    const Config& c = config_;
    for (const char* name : {".embed_tokens", ".shared_head.head"}) {
      if (folder_.has(path + name + ".weight")) matrix(path + name, c.vocab_size, c.hidden_size);
    }
    for (const char* name : {".enorm.weight", ".hnorm.weight", ".shared_head.norm.weight"}) {
      vector(path + name, c.hidden_size);
    }
    matrix(path + ".eh_proj", c.hidden_size, 2 * c.hidden_size);
    layer(path, true);
  }

  // ---- Single tensors

  void linear(const std::string& path, int rows, int columns) {
    matrix(path, rows, columns);
    if (config_.attention_bias) vector(path + ".bias", rows);
  }

  void matrix(const std::string& path, int rows, int columns, int count = 0) {
    const MatrixSize size{count, rows, columns};
    add(path, size, SourceMatrix::stacked({take(path, size)}));
  }

  StoredRows take(const std::string& path, const MatrixSize& size) {
    static_cast<void>(folder_.at(path + ".weight"));
    for (const char* part : {".weight", ".scales", ".biases", ".global_scale"}) {
      if (folder_.has(path + part)) taken_.insert(path + part);
    }
    return {files_, path, size};
  }

  void vector(const std::string& name, int size) {
    const StoredTensor& tensor = folder_.at(name);
    if (tensor.info.shape != Shape{size} || !is_float(tensor.info.dtype)) {
      folder_.refuse(name, fmt::format("float [{}]", size));
    }
    taken_.insert(name);
    const bool keeps_type = options_.repack || !options_.float_type || name.ends_with(".e_score_correction_bias");
    const Dtype type = keeps_type ? tensor.info.dtype : *options_.float_type;
    units_.push_back({.name = name,
                      .job = VectorJob{tensor, type},
                      .tensors = {{name, type, tensor.info.shape}},
                      .source_bytes = tensor.info.nbytes,
                      .parameters = elements_of(tensor.info.shape)});
  }

  void add(const std::string& path, const MatrixSize& size, SourceMatrix source) {
    const Dtype type = type_of(source);
    const std::optional<Quantization> quantization = quantization_of(path, size, source);
    MatrixJob job{.path = path,
                  .size = size,
                  .type = type,
                  .quantization = quantization,
                  .copies_codes = false,
                  .global_scales = {},
                  .source = std::move(source)};
    if (job.quantization && job.source.is_stack() && common_quantization(job.source) == job.quantization) {
      job.copies_codes = true;
      job.type = job.source.parts().front().float_type().value_or(job.type);
      job.global_scales = global_scales_of(job.source);
    }
    Unit unit{.name = path + ".weight", .job = job, .tensors = tensors_of(job)};
    unit.parameters = elements_of(size.shape());
    for (const StoredRows& part : job.source.parts()) unit.source_bytes += part.stored_bytes();
    if (!job.source.is_stack()) unit.source_bytes /= 2;  // two jobs read parts of it
    units_.push_back(std::move(unit));
  }

  Dtype type_of(const SourceMatrix& source) const {
    if (options_.float_type && !options_.repack) return *options_.float_type;
    return source.parts().front().float_type().value_or(float_type_of(config_.dtype));
  }

  std::optional<Quantization> quantization_of(const std::string& path, const MatrixSize& size,
                                              const SourceMatrix& source) const {
    if (!options_.repack) return choice_for(options_.recipe, path, size.columns);
    const std::optional<Quantization> common = common_quantization(source);
    if (!common && any_quantized(source)) {
      fail(ErrorKind::unsupported, folder_.path().string(),
           "the experts of {} are quantized in different ways; they cannot be repacked, only quantized again", path);
    }
    return common && size.columns % common->group_size == 0 ? common : std::nullopt;
  }

  void check_all_taken() const {
    for (const auto& [name, tensor] : folder_.tensors()) {
      if (taken_.contains(name) || name.ends_with("rotary_emb.inv_freq")) continue;
      fail(ErrorKind::bad_file, tensor.file_path().string(), "tensor '{}' belongs to no part of the model",
           tensor.stored_name);
    }
  }

  const SourceFiles& files_;
  const CheckpointFolder& folder_;
  const Config& config_;
  const PlanOptions& options_;
  std::set<std::string> taken_;
  std::vector<Unit> units_;
};

}  // namespace

std::size_t OutputTensor::nbytes() const { return elements_of(shape) * size_of(dtype); }

std::vector<Unit> plan_units(const SourceFiles& files, const Config& config, const PlanOptions& options) {
  return Planner(files, config, options).plan();
}

}  // namespace glimt::convert

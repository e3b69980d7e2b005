#include "checkpoint/gguf_model.h"

#include "base/error.h"
#include "checkpoint/gguf_config.h"

#include <array>
#include <charconv>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace glimt {
namespace {

struct Spelling {
  std::string_view theirs, ours;
};

constexpr std::array<Spelling, 3> kOfTheModel = {{{"token_embd.weight", "model.embed_tokens.weight"},
                                                  {"output_norm.weight", "model.norm.weight"},
                                                  {"output.weight", "lm_head.weight"}}};

// Behind "blk.N." and "model.layers.N.". Rotary pairs are neighbours on both sides, so that no rows change places.
constexpr std::array<Spelling, 30> kOfALayer = {{
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_k_b.weight", "self_attn.embed_q.weight"},
    {"attn_v_b.weight", "self_attn.unembed_out.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_exps.weight", "mlp.switch_mlp.gate_proj.weight"},
    {"ffn_up_exps.weight", "mlp.switch_mlp.up_proj.weight"},
    {"ffn_down_exps.weight", "mlp.switch_mlp.down_proj.weight"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"exp_probs_b", "mlp.gate.e_score_correction_bias"},
    {"nextn.eh_proj.weight", "eh_proj.weight"},
    {"nextn.enorm.weight", "enorm.weight"},
    {"nextn.hnorm.weight", "hnorm.weight"},
    {"nextn.embed_tokens.weight", "embed_tokens.weight"},
    {"nextn.shared_head_norm.weight", "shared_head.norm.weight"},
    {"nextn.shared_head_head.weight", "shared_head.head.weight"},
}};

template <std::size_t N>
std::string_view ours_of(const std::array<Spelling, N>& table, std::string_view theirs) {
  for (const Spelling& one : table) {
    if (one.theirs == theirs) return one.ours;
  }
  return {};
}

GgufEntry entry_of(const std::string& file, const std::string& stored_name, const GgufTensor& tensor) {
  const GgufTypeInfo& info = *find_gguf_type(tensor.type);
  if (!info.read) {
    fail(ErrorKind::unsupported, file,
         "tensor '{}' is stored as {}, which glimt does not read: take a file of another type (Q2_K to Q8_0, IQ4, "
         "MXFP4, "
         "BF16), or make one of the original model: `glimt convert --recipe small` has 4 bits a weight",
         stored_name, info.name);
  }
  return {stored_name, static_cast<GgufType>(tensor.type), tensor.shape, tensor.offset, tensor.nbytes};
}

std::map<std::string, GgufEntry> entries_of(const std::string& file, const GgufHeader& header) {
  std::map<std::string, GgufEntry> entries;
  for (const auto& [stored_name, tensor] : header.tensors) {
    std::string name = name_of_gguf_tensor(stored_name);
    if (name.empty()) {
      fail(ErrorKind::unsupported, file, "tensor '{}' belongs to no part of the model", stored_name);
    }
    const auto [at, fresh] = entries.try_emplace(std::move(name), entry_of(file, stored_name, tensor));
    if (!fresh) {
      fail(ErrorKind::bad_file, file, "tensors '{}' and '{}' have one meaning: which of them counts?",
           at->second.stored_name, stored_name);
    }
  }
  return entries;
}

// Some files have kv_b_proj joined, and its two halves besides. Old ones have it joined alone.
void drop_joined_kv_b(std::map<std::string, GgufEntry>& entries, const std::string& file) {
  constexpr std::string_view kJoined = "kv_b_proj.weight";
  std::erase_if(entries, [&](const auto& entry) {
    const std::string& name = entry.first;
    if (!name.ends_with(kJoined)) return false;
    if (entries.contains(name.substr(0, name.size() - kJoined.size()) + "embed_q.weight")) return true;
    fail(ErrorKind::unsupported, file,
         "tensor '{}' is the joined matrix of an old converter, glimt reads its halves attn_k_b and attn_v_b: get a "
         "newer file",
         entry.second.stored_name);
  });
}

}  // namespace

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::string magic(4, '\0');
  std::ifstream(path, std::ios::binary).read(magic.data(), static_cast<std::streamsize>(magic.size()));
  return magic == "GGUF";
}

std::string name_of_gguf_tensor(const std::string& stored_name) {
  if (const std::string_view ours = ours_of(kOfTheModel, stored_name); !ours.empty()) return std::string(ours);
  constexpr std::string_view kLayer = "blk.";
  const std::size_t dot = stored_name.find('.', kLayer.size());
  if (!stored_name.starts_with(kLayer) || dot == std::string::npos) return {};
  const std::string number = stored_name.substr(kLayer.size(), dot - kLayer.size());
  int layer = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), layer);
  const std::string_view ours = ours_of(kOfALayer, std::string_view(stored_name).substr(dot + 1));
  if (error != std::errc() || end != number.data() + number.size() || std::to_string(layer) != number || layer < 0 ||
      ours.empty()) {
    return {};
  }
  return fmt::format("model.layers.{}.{}", layer, ours);
}

GgufModel::GgufModel(const std::filesystem::path& path) : path_(path), map_(std::make_shared<const MappedFile>(path)) {
  const std::string file = path.string();
  const GgufHeader header = parse_gguf_header({map_->data(), map_->size()}, file);
  config_ = gguf_config(header, file);  // says first what the file is, if it is another model
  chat_template_ = gguf_chat_template(header);
  tensors_ = entries_of(file, header);
  drop_joined_kv_b(tensors_, file);
}

}  // namespace glimt

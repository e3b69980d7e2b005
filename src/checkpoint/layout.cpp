#include "checkpoint/layout.h"

#include "base/error.h"

#include <fmt/format.h>

#include <string_view>

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

// Where transformers 5 has experts as parameters of one module, so that ".weight" is missing.
constexpr std::string_view kFusedDown = ".mlp.experts.down_proj";
constexpr std::string_view kFusedGateUp[] = {".mlp.experts.gate_up_proj", ".mlp.switch_mlp.gate_up_proj"};

// The two halves of rows of all experts: [E, 2 * I, columns] is for each expert the gate's I rows, then up's.
std::vector<NamedTensor> split_gate_up(const std::string& mlp, const std::string& part, const TensorInfo& info,
                                       const std::string& where) {
  if (info.shape.size() != 3 || info.shape[1] % 2 != 0) {
    fail(ErrorKind::bad_file, where, "must be [experts, 2 * rows, columns], got {}", to_string(info.shape));
  }
  const int experts = info.shape[0], rows = info.shape[1] / 2, columns = info.shape[2];
  std::vector<NamedTensor> halves;
  if (experts == 0) return halves;
  const std::size_t half_bytes = info.nbytes / static_cast<std::size_t>(experts) / 2;
  std::size_t offset = info.offset;
  for (int e = 0; e < experts; ++e) {
    for (const char* projection : {"gate_proj", "up_proj"}) {
      halves.push_back({fmt::format("{}.mlp.experts.{}.{}{}", mlp, e, projection, part),
                        {info.dtype, {rows, columns}, offset, half_bytes}});
      offset += half_bytes;
    }
  }
  return halves;
}

std::string with_our_ending(std::string name) {
  for (const auto& [theirs, ours] : kEndings) {
    if (name.ends_with(theirs)) return name.replace(name.size() - theirs.size(), theirs.size(), ours);
  }
  return name;
}

}  // namespace

std::string canonical_name(std::string name) {
  name = with_our_ending(std::move(name));
  if (name.ends_with(kFusedDown)) name += ".weight";
  for (const std::string_view projection : kProjections) {  // single experts have a number behind "experts."
    const std::string theirs = fmt::format(".mlp.experts.{}.", projection);
    if (const std::size_t at = name.find(theirs); at != std::string::npos) {
      name.replace(at, theirs.size(), fmt::format(".mlp.switch_mlp.{}.", projection));
    }
  }
  return name;
}

float global_scale_unit(const std::string& stored_name) {
  return with_our_ending(stored_name) == stored_name ? 1.0f / (448 * 6) : 1.0f;
}

std::vector<NamedTensor> named_tensors(const std::string& stored_name, const TensorInfo& info,
                                       const std::string& where) {
  const std::string name = with_our_ending(stored_name);
  for (const std::string_view fused : kFusedGateUp) {
    const std::size_t at = name.find(fused);
    if (at == std::string::npos) continue;
    const std::string part = name.substr(at + fused.size());
    return split_gate_up(name.substr(0, at), part.empty() ? ".weight" : part, info,
                         fmt::format("{}: tensor '{}'", where, stored_name));
  }
  return {{canonical_name(stored_name), info}};
}

}  // namespace glimt

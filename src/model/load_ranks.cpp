#include "model/load_ranks.h"

#include "base/error.h"
#include "checkpoint/fingerprint.h"
#include "distributed/group.h"
#include "kernels/ops.h"
#include "kernels/process.h"
#include "model/following_rank.h"
#include "model/no_buffer_cache.h"
#include "model/pipeline_lm.h"
#include "model/tensor_lm.h"

#include <fmt/ranges.h>

#include <charconv>

namespace glimt {
namespace {

// Of a tensor "model.layers.7.…"; nothing for the others.
std::optional<int> layer_of(const std::string& name) {
  constexpr std::string_view kPrefix = "model.layers.";
  int layer = 0;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layer);
  return error == std::errc() && *end == '.' ? std::optional(layer) : std::nullopt;
}

StagePlan plan_of(const Config& config, const Weights& weights, const RankOptions& options, int ranks) {
  const int layers = config.num_hidden_layers;
  if (!options.layers.empty()) return cut_as_told(options.layers, layers, ranks);
  std::vector<std::size_t> bytes;
  std::size_t rest = weights.total_bytes();
  for (int i = 0; i < layers; ++i) {
    bytes.push_back(weights.bytes_of(layer_path(i) + "."));
    rest -= bytes.back();
  }
  return cut_evenly(bytes, rest, ranks);
}

// Throws what heads_of, swiglu_columns and expert_columns throw: before the others are waited for, and before hours of
// reading.
void check_share(const Config& c, const Weights& weights, const LayerShare& share) {
  for (int i = 0; i < c.num_hidden_layers; ++i) {
    const std::string path = layer_path(i), mlp = path + ".mlp";
    static_cast<void>(MlaAttention::heads_of(c, weights, path + ".self_attn", share));
    if (!c.is_moe_layer[static_cast<std::size_t>(i)]) {
      static_cast<void>(swiglu_columns(weights, mlp, c.hidden_size, c.intermediate_size, share));
      continue;
    }
    static_cast<void>(expert_columns(c, weights, mlp, share));
    if (c.n_shared_experts == 0) continue;
    static_cast<void>(swiglu_columns(weights, mlp + ".shared_experts", c.hidden_size,
                                     c.moe_intermediate_size * c.n_shared_experts, share));
  }
}

// What is wrong here shows before the others are waited for.
struct Part {
  Part(const std::filesystem::path& folder, const LoadOptions& options, Place place)
      : config(config_for(folder, options)),
        weights(folder, config.quantization, device_for(options)),
        split(options.ranks.split),
        rank(place.rank) {
    if (split == Split::pipeline) {
      plan = plan_of(config, weights, options.ranks, place.size());
    } else {
      if (!options.ranks.layers.empty()) {
        fail(ErrorKind::invalid_request, "--layers", "is for --split pipeline: with tensor every rank has all layers");
      }
      share = {place.rank, place.size()};
      check_share(config, weights, share);
    }
    weights.set_aside([&](const std::string& name) { return !has(name); });
    group = std::make_shared<Group>(std::move(place), hello(folder, options), GroupOptions{.ranks = options.ranks});
    if (split == Split::tensor) share.sums = sums = std::make_shared<const GroupSums>(group, weights.device());
  }

  // Whether this rank has the tensor, or a part of it.
  bool has(const std::string& name) const {
    const std::optional<int> layer = layer_of(name);
    if (!layer || *layer >= config.num_hidden_layers) return rank == 0;
    return split == Split::tensor || (*layer >= plan.first(rank) && *layer < plan.first(rank) + plan.count(rank));
  }

  Hello hello(const std::filesystem::path& folder, const LoadOptions& options) const {
    const kernels::Device& device = weights.device();
    Hello hello{launch_token_from_environment(),
                {{"program's version", GLIMT_VERSION},
                 {"fingerprint of config.json and weights", checkpoint_fingerprint(folder)},
                 {"split (--split)", split == Split::tensor ? "tensor" : "pipeline"},
                 {"cut of the layers (--layers)", fmt::format("{}", fmt::join(plan.layers, ","))},
                 {"precision (--exact)", device.exact() ? "exact" : "fast"},
                 {"form of attention (--expand-prompts)", options.expand_prompts ? "expanded" : "absorbed"},
                 {"rounding of rotary frequencies", options.round_rope_frequencies ? "bfloat16" : "none"},
                 {"size of a hidden state's element", fmt::format("{} bytes", device.activations().size())}}};
    // Every rank routes tokens for itself. With other instructions it may round otherwise, and choose other experts.
    if (split == Split::tensor) {
      hello.facts.push_back({"kernels and instruction set",
                             fmt::format("{}, {}", device.ops().name, kernels::process_instruction_set())});
    }
    return hello;
  }

  Config config;
  Weights weights;
  Split split;
  int rank;
  StagePlan plan;    // of a pipeline
  LayerShare share;  // where the layers are shared
  std::shared_ptr<Group> group;
  std::shared_ptr<const GroupSums> sums;  // the share's
};

std::unique_ptr<CausalLm> first_stage(Part& part) {
  auto model = std::make_unique<PipelineLm>(std::move(part.config), part.weights, part.plan);
  part.weights.finish();
  model->join(std::make_shared<RemoteStages>(part.group, part.plan));
  return model;
}

std::unique_ptr<CausalLm> first_share(Part& part) {
  const int layers = part.config.num_hidden_layers;
  auto model = std::make_unique<TensorLm>(part.config, part.weights, part.share, part.sums);
  part.weights.finish();
  model->join(std::make_shared<RemoteShares>(part.group, layers));
  return model;
}

FollowingRank following(Part& part) {
  const bool tensor = part.split == Split::tensor;
  const int first = tensor ? 0 : part.plan.first(part.rank);
  const int count = tensor ? part.config.num_hidden_layers : part.plan.count(part.rank);
  LayerStack layers(part.config, part.weights, first, count, part.share);
  part.weights.finish();
  return {std::move(part.config), part.weights.device(), part.group, std::move(layers), part.sums};
}

}  // namespace

LoadedModel load_over_ranks(const std::filesystem::path& folder, const LoadOptions& options, Place place) {
  if (place.rank != 0) {
    fail(ErrorKind::invalid_request, "MLX_RANK", "rank 0 loads a model, and {} follows it", place.name(place.rank));
  }
  Part part(folder, options, std::move(place));
  return part.group->or_fail([&]() -> LoadedModel {
    const NoBufferCache no_cache;
    std::unique_ptr<CausalLm> model = part.split == Split::tensor ? first_share(part) : first_stage(part);
    return {std::move(model), part.weights.total_bytes(), part.weights.copied_bytes(), {}};
  });
}

ProcessRank process_rank() {
  const std::optional<Place> place = place_from_environment();
  return place ? ProcessRank{place->rank, place->size()} : ProcessRank{};
}

void follow(const std::filesystem::path& folder, const LoadOptions& options, Place place,
            const std::function<std::size_t(std::size_t weight_bytes)>& cache_bytes) {
  if (place.rank == 0) fail(ErrorKind::internal, "follow", "is for ranks above 0");
  Part part(folder, options, std::move(place));
  FollowingRank rank = part.group->or_fail([&] {
    const NoBufferCache no_cache;
    return following(part);
  });
  rank.follow(cache_bytes(part.weights.total_bytes() - part.weights.copied_bytes()));
}

}  // namespace glimt

#include "model/load_pipeline.h"

#include "base/error.h"
#include "checkpoint/fingerprint.h"
#include "distributed/group.h"
#include "model/no_buffer_cache.h"
#include "model/pipeline_lm.h"
#include "model/pipeline_stage.h"

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

// What is wrong here shows before the others are waited for.
struct Part {
  Part(const std::filesystem::path& folder, const LoadOptions& options, Place place)
      : config(config_for(folder, options)),
        weights(folder, config.quantization, device_for(options)),
        plan(plan_of(config, weights, options.ranks, place.size())) {
    const int rank = place.rank;
    weights.set_aside([&](const std::string& name) {
      const std::optional<int> layer = layer_of(name);
      if (!layer || *layer >= config.num_hidden_layers) return rank != 0;
      return *layer < plan.first(rank) || *layer >= plan.first(rank) + plan.count(rank);
    });
    group = std::make_shared<Group>(std::move(place), hello(folder, options), GroupOptions{.ranks = options.ranks});
  }

  Hello hello(const std::filesystem::path& folder, const LoadOptions& options) const {
    const kernels::Device& device = weights.device();
    return {launch_token_from_environment(),
            {{"program's version", GLIMT_VERSION},
             {"fingerprint of config.json and weights", checkpoint_fingerprint(folder)},
             {"cut of the layers (--layers)", fmt::format("{}", fmt::join(plan.layers, ","))},
             {"precision (--exact)", device.exact() ? "exact" : "fast"},
             {"rounding of rotary frequencies", options.round_rope_frequencies ? "bfloat16" : "none"},
             {"size of a hidden state's element", fmt::format("{} bytes", device.activations().size())}}};
  }

  Config config;
  Weights weights;
  StagePlan plan;
  std::shared_ptr<Group> group;
};

}  // namespace

LoadedModel load_pipeline(const std::filesystem::path& folder, const LoadOptions& options, Place place) {
  if (place.rank != 0) {
    fail(ErrorKind::invalid_request, "MLX_RANK", "rank 0 loads a model, and {} follows it", place.name(place.rank));
  }
  Part part(folder, options, std::move(place));
  return part.group->or_fail([&]() -> LoadedModel {
    const NoBufferCache no_cache;
    auto model = std::make_unique<PipelineLm>(std::move(part.config), part.weights, part.plan);
    part.weights.finish();
    model->join(std::make_shared<RemoteStages>(part.group, part.plan));
    return {std::move(model), part.weights.total_bytes(), {}};
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
  PipelineStage stage = part.group->or_fail([&] {
    const NoBufferCache no_cache;
    PipelineStage made(std::move(part.config), part.weights, part.group, part.plan);
    part.weights.finish();
    return made;
  });
  stage.follow(cache_bytes(part.weights.total_bytes()));
}

}  // namespace glimt

// glimt show: what a model is and what memory it needs, from its files alone.
#include "checkpoint/summary.h"
#include "cli/bytes.h"
#include "cli/commands.h"
#include "cli/device_flag.h"
#include "cli/pull_model.h"
#include "hub/manifest.h"
#include "hub/store.h"
#include "kernels/process.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

namespace glimt {
namespace {

struct ShowArguments {
  std::string model;
  std::size_t context = 32768;
  DeviceFlag device;
};

std::string count(std::size_t n) {
  const auto value = static_cast<double>(n);
  if (value >= 1e9) return fmt::format("{:.2f} B", value / 1e9);
  return value >= 1e4 ? fmt::format("{:.2f} M", value / 1e6) : fmt::format("{}", n);
}

void line(std::string_view name, const std::string& value) { fmt::print("{:<14}{}\n", name, value); }

void run(const ShowArguments& arguments) {
  offer_to_pull(arguments.model);
  const std::filesystem::path folder = resolve_model(arguments.model);
  arguments.device.use();
  const ModelSummary s = summarize(folder);
  const Config& c = s.config;
  const auto context = std::min(arguments.context, static_cast<std::size_t>(c.max_position_embeddings));
  const auto dense = std::count(c.is_moe_layer.begin(), c.is_moe_layer.end(), false);

  line("model", folder.string());
  if (const auto contents = known_contents(folder)) {
    line("from", fmt::format("{} {}{}{}", contents->source, contents->repository,
                             contents->commit.empty() ? "" : ", commit ", contents->commit));
  }
  if (!s.made_how.empty()) line("made", fmt::format("{}, from {}", s.made_how, s.made_from));
  line("architecture", c.architecture);
  line("parameters",
       fmt::format("{} (active per token {}){}", count(s.trunk_parameters), count(s.active_parameters),
                   s.has_mtp ? ", MTP layer " + count(s.mtp_parameters) : ", no MTP layer: no speculation"));
  for (const auto& [format, parameters] : s.parameters_by_format) line("  " + count(parameters), format);
  line("layers",
       fmt::format("{} ({} dense), hidden {}, vocabulary {}", c.num_hidden_layers, dense, c.hidden_size, c.vocab_size));
  line("experts", fmt::format("{} of {} per token, {} shared, width {}", c.num_experts_per_tok, c.n_routed_experts,
                              c.n_shared_experts, c.moe_intermediate_size));
  line("attention",
       fmt::format("MLA, {} heads, latent {} + {} rotary, {}", c.num_attention_heads, c.kv_lora_rank,
                   c.qk_rope_head_dim, c.q_lora_rank ? fmt::format("query rank {}", *c.q_lora_rank) : "no query rank"));
  line("context", fmt::format("{} tokens{}", c.max_position_embeddings, c.rope_scaling ? ", YaRN" : ""));
  line("weights",
       fmt::format("{} in memory, {} read per token", describe_bytes(s.files_bytes), describe_bytes(s.active_bytes)));
  line("cache", fmt::format("{} bytes a token (bfloat16); {} for {} tokens", s.cache_bytes_per_token(),
                            describe_bytes(s.cache_bytes_per_token() * context), context));
  line("device", kernels::process_device());
  for (const std::filesystem::path& file : s.not_read) line("not read", file.filename().string());
  line("total", fmt::format("{} for weights and {} tokens of context",
                            describe_bytes(s.files_bytes + s.cache_bytes_per_token() * context), context));
}

}  // namespace

void add_show_command(CLI::App& app) {
  auto arguments = std::make_shared<ShowArguments>();
  CLI::App* command = app.add_subcommand("show", "Architecture, sizes, quantization and memory needs of a model");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("--context", arguments->context, "Tokens to compute the cache's memory for")
      ->check(CLI::Range(1, 1 << 28))
      ->type_name("N")
      ->capture_default_str();
  arguments->device.add_to(*command);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

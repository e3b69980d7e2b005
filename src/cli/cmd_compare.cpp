// glimt compare: a forward pass against stored reference numbers.
#include "base/error.h"
#include "cli/commands.h"
#include "cli/load_flags.h"
#include "hub/store.h"
#include "measure/compare.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

namespace glimt {
namespace {

struct CompareArguments {
  std::string model;
  std::string golden;
  CompareOptions options;
  LoadFlags load;  // of these the device, the precision and the ranks
};

void print(const std::vector<Comparison>& results) {
  for (const Comparison& r : results) {
    const std::string worst = r.exact ? fmt::format("{:.0f} differ", r.worst) : fmt::format("{:.3g}", r.worst);
    fmt::print("{:<4} {:<26} {:>12}   allowed {:.3g}\n", r.ok() ? "ok" : "BAD", r.name, worst, r.allowed);
  }
}

void run(CompareArguments arguments) {
  if (follow_rank_0(arguments.model, arguments.load)) return;
  arguments.options.ranks = arguments.load.ranks.options();
  const std::filesystem::path folder = resolve_model(arguments.model);
  arguments.load.device.use(arguments.load.options.exact);
  const auto [results, rounded] =
      compare_checkpoint(folder, arguments.golden, arguments.options, arguments.load.options.exact);
  if (rounded) {
    fmt::print(
        "note: equal with rotary frequencies rounded to bfloat16, as model.to(torch.bfloat16) leaves them in the "
        "reference\n");
  }
  print(results);
  const auto bad = std::count_if(results.begin(), results.end(), [](const Comparison& r) { return !r.ok(); });
  if (bad == 0) return;
  if (!arguments.load.options.exact) {
    fmt::print(stderr,
               "glimt: this was the fast path (8-bit activations, bfloat16 cache); --exact compares without it\n");
  }
  throw CLI::RuntimeError(1);
}

}  // namespace

void add_compare_command(CLI::App& app) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand("compare", "Compare a forward pass with stored reference numbers");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("golden", arguments->golden, "File with input_ids and reference tensors")
      ->required()
      ->type_name("FILE.safetensors");
  command->add_option("--chunk", arguments->options.chunk, "Tokens a forward call (0: all at once)")
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--tolerance", arguments->options.tolerance, "Largest absolute difference allowed")
      ->check(CLI::Range(0.0, 1e9))
      ->type_name("T")
      ->capture_default_str();
  arguments->load.device.add_to(*command);
  command->add_flag("--exact", arguments->load.options.exact, "Float32 cache rows, no rounding of activations");
  arguments->load.ranks.add_to(*command);
  command->footer("Exit code 0 if everything is within the tolerance, 1 if not, 2 if the comparison cannot be made.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

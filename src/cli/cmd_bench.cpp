// glimt bench: tokens a second for prefill and decode at a given depth, beside the machine's read bandwidth.
#include "base/error.h"
#include "checkpoint/summary.h"
#include "cli/bytes.h"
#include "cli/commands.h"
#include "cli/load_flags.h"
#include "hub/store.h"
#include "kernels/process.h"
#include "measure/benchmark.h"
#include "measure/draft_benchmark.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <optional>

namespace glimt {
namespace {

struct BenchArguments {
  std::string model;
  BenchmarkOptions options;
  LoadFlags load;  // of these the device, the threads, the form of attention and the ranks
  std::optional<double> acceptance;
  bool json = false;
};

void print_json(const BenchmarkResult& r) {
  const std::string parallel = r.parallel > 1 ? fmt::format("\"parallel\":{},", r.parallel) : std::string();
  std::string stages;
  if (r.stages) {
    stages = fmt::format(",\"pass_seconds\":{:.6g},\"stage_seconds\":[{:.6g}],\"sent_bytes\":{:.6g}", r.stages->pass,
                         fmt::join(r.stages->computing, ","), r.stages->sent_bytes);
    if (r.stages->sums > 0) {
      stages += fmt::format(",\"sums\":{:.6g},\"sum_seconds\":{:.6g}", r.stages->sums, r.stages->summing);
    }
  }
  fmt::print("{{\"test\":\"{}\",\"depth\":{},{}\"tokens_per_second\":{:.6g}{}}}\n", r.test, r.depth, parallel,
             r.tokens_per_second, stages);
  std::fflush(stdout);
}

// Where the time of a pass goes when several ranks compute it.
void print_stages(const BenchmarkResult& r) {
  if (!r.stages) return;
  fmt::print("{}: a pass takes {:.2f} ms", r.test, 1e3 * r.stages->pass);
  double sum = 0;
  for (std::size_t rank = 0; rank < r.stages->computing.size(); ++rank) {
    fmt::print(", rank {} computes {:.2f}", rank, 1e3 * r.stages->computing[rank]);
    sum += r.stages->computing[rank];
  }
  if (r.stages->sums > 0) {
    fmt::print(", {:.0f} sums over the ranks take {:.2f}", r.stages->sums, 1e3 * r.stages->summing);
  } else if (r.is_decode) {  // in a prefill the stages compute at the same time
    fmt::print(", messages take {:.2f}", 1e3 * (r.stages->pass - sum));
  }
  fmt::print("; rank 0 sends {:.1f} KB\n", r.stages->sent_bytes / 1e3);
}

void print_table(const std::vector<BenchmarkResult>& results, std::size_t bytes_per_token, std::size_t huge_page_bytes,
                 double bandwidth) {
  fmt::print("{:<8} {:>8} {:>12} {:>10} {:>10} {:>12}   {}\n", "test", "depth", "tokens/s", "min", "max", "in kernels",
             "share of read bandwidth");
  for (const BenchmarkResult& r : results) {
    // What one token reads; sequences that run together share some of it.
    const double share = 100 * r.tokens_per_second * static_cast<double>(bytes_per_token) / bandwidth;
    fmt::print("{:<8} {:>8} {:>12.2f} {:>10.2f} {:>10.2f} {:>10.1f} %   {}\n", r.test, r.depth, r.tokens_per_second,
               r.slowest, r.fastest, 100 * r.kernel_share,
               bandwidth > 0 && r.is_decode && r.parallel == 1 ? fmt::format("{:.1f} %", share) : "-");
  }
  fmt::print("\n");
  for (const BenchmarkResult& r : results) print_stages(r);
  if (huge_page_bytes > 0) fmt::print("weights: {} in huge pages\n", describe_bytes(huge_page_bytes));
  if (bandwidth == 0) {
    fmt::print("on {}, {:.1f} MB of weights a token\n", kernels::process_device(),
               static_cast<double>(bytes_per_token) / 1e6);
    return;
  }
  fmt::print("read bandwidth {:.1f} GB/s with {} threads ({}), {:.1f} MB of weights a token\n", bandwidth / 1e9,
             kernels::process_threads(), kernels::process_instruction_set(),
             static_cast<double>(bytes_per_token) / 1e6);
}

void measure_drafts(const std::filesystem::path& folder, const BenchArguments& arguments) {
  const BenchmarkOptions& bench = arguments.options;
  const DraftBenchmarkOptions options{*arguments.acceptance, bench.generate,   bench.depth,
                                      bench.repeat,          bench.huge_pages, bench.ranks};
  const DraftBenchmarkResult r = run_draft_benchmark(folder, options);
  if (arguments.json) {
    fmt::print(
        "{{\"test\":\"tg{}\",\"depth\":{},\"acceptance\":{},\"plain_tokens_per_second\":{:.6g},"
        "\"tokens_per_second\":{:.6g},\"gain\":{:.4g},\"drafted_per_token\":{:.4g},\"accepted_per_token\":{:.4g}}}\n",
        options.generate, options.depth, options.acceptance, r.plain, r.drafts, r.gain, r.drafted, r.accepted);
    return;
  }
  fmt::print("tg{} behind {} tokens: {:.2f} tokens/s without guesses, {:.2f} with the MTP layer's, {:.2f} times\n",
             options.generate, options.depth, r.plain, r.drafts, r.gain);
  fmt::print("{:.2f} guesses a token, of which {:.2f} stood (each with probability {}, once those before it did)\n",
             r.drafted, r.accepted, options.acceptance);
}

void run(BenchArguments arguments) {
  if (follow_rank_0(arguments.model, arguments.load)) return;
  arguments.options.ranks = arguments.load.ranks.options();
  arguments.options.expand_prompts = arguments.load.options.expand_prompts;
  const std::filesystem::path folder = resolve_model(arguments.model);
  if (!arguments.acceptance && arguments.options.prompt == 0 && arguments.options.generate == 0) {
    fail(ErrorKind::invalid_request, "bench", "--prompt 0 and --generate 0 leave nothing to measure");
  }
  arguments.load.device.use();
  if (arguments.load.threads > 0) kernels::set_process_threads(arguments.load.threads);
  if (arguments.acceptance) return measure_drafts(folder, arguments);
  if (arguments.json) {
    run_benchmark(folder, arguments.options, print_json);
    return;
  }

  const double bandwidth = kernels::process_uses_gpu() ? 0 : kernels::measure_read_bandwidth();
  std::vector<BenchmarkResult> results;
  const std::size_t huge =
      run_benchmark(folder, arguments.options, [&](const BenchmarkResult& r) { results.push_back(r); });
  print_table(results, summarize(folder).active_bytes, huge, bandwidth);
}

}  // namespace

void add_bench_command(CLI::App& app) {
  auto arguments = std::make_shared<BenchArguments>();
  BenchmarkOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand("bench", "Measure prefill and decode speed with random tokens");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  const auto tokens = CLI::Range(0, 1 << 20);
  command->add_option("--prompt", options.prompt, "Tokens of the prefill test (0: none)")
      ->check(tokens)
      ->type_name("P")
      ->capture_default_str();
  command->add_option("--generate", options.generate, "Tokens of the decode test (0: none)")
      ->check(tokens)
      ->type_name("G")
      ->capture_default_str();
  command->add_option("--depth", options.depth, "Tokens already in the cache")
      ->check(tokens)
      ->type_name("D")
      ->capture_default_str();
  command->add_option("--repeat", options.repeat, "Runs of each test; the median counts")
      ->check(CLI::Range(1, 1000))
      ->type_name("R")
      ->capture_default_str();
  command
      ->add_option("--chunk", options.chunk,
                   "Tokens a prefill step (default: 512; 2048 on a GPU or with --expand-prompts)")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  arguments->load.add_expand_prompts(*command);
  command->add_option("--parallel", options.parallel, "Sequences that run together")
      ->check(CLI::Range(1, 256))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option(
          "--acceptance", arguments->acceptance,
          "Measure decode alone, with the MTP layer and without, as if its guesses stood with this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->excludes("--prompt", "--chunk", "--parallel", "--expand-prompts")
      ->type_name("P");
  arguments->load.device.add_to(*command);
  command->add_option("--threads", arguments->load.threads, "Threads (default: all)")
      ->check(CLI::Range(1, kernels::kMostThreads))
      ->type_name("T");
  command->add_flag_callback(
      "--no-huge-pages", [&options] { options.huge_pages = false; },
      "Leave the weights in their files; else they are copied first if memory allows");
  arguments->load.ranks.add_to(*command);
  command->add_flag("--json", arguments->json, "One JSON line a test");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

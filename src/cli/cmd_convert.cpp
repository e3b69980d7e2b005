// glimt convert: a model quantized, requantized, or only laid out anew.
#include "base/error.h"
#include "checkpoint/summary.h"
#include "cli/bytes.h"
#include "cli/commands.h"
#include "cli/conversion_target.h"
#include "cli/gguf_source.h"
#include "cli/interrupt.h"
#include "cli/pull_display.h"
#include "cli/pull_model.h"
#include "cli/text_flags.h"
#include "convert/convert.h"
#include "hub/digest.h"
#include "hub/manifest.h"
#include "hub/store.h"
#include "kernels/process.h"
#include "measure/text_file.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct ConvertArguments {
  std::string source, target;
  std::string mode, recipe;
  std::string tokenizer;  // for GGUF files
  std::string text;       // to calibrate with
  int bits = 0, group_size = 0, threads = 0;
  bool repack = false, dequantize = false;
  bool search = false, no_search = false;
};

// What is made, and how to say it.
struct Choice {
  convert::Recipe recipe;
  bool repack = false;
  bool search = false;
  std::string how;
};

std::string describe(const Quantization& q) {
  return fmt::format("{} {} bits group {}", to_string(q.mode), q.bits, q.group_size);
}

// The formats of a checkpoint that are no floats.
std::string quantized_formats(const ModelSummary& summary) {
  std::string formats;
  for (const auto& [format, parameters] : summary.parameters_by_format) {
    if (format.find("float") == std::string::npos) formats += (formats.empty() ? "" : ", ") + format;
  }
  return formats;
}

void refuse_unsaid(const ConvertArguments& a, const ModelSummary& source) {
  const std::string formats = quantized_formats(source);
  if (formats.empty() || a.repack || a.dequantize || !a.mode.empty() || !a.recipe.empty()) return;
  fail(ErrorKind::invalid_request, a.source,
       "is quantized already ({}): --repack keeps that, --dequantize makes floats, --recipe or --quantize makes it "
       "again, which loses once more",
       formats);
}

Choice choice_of(const ConvertArguments& a) {
  if (a.repack) return {.recipe = {}, .repack = true, .how = "repacked"};
  if (a.dequantize) return {.recipe = convert::float_recipe(), .how = "dequantized"};
  Choice choice;
  if (!a.mode.empty()) {
    const Quantization q = convert::quantization_for(*quant_mode_from(a.mode), a.bits, a.group_size);
    const bool search = a.search || !a.text.empty();
    if (search && q.mode != QuantMode::affine) {
      fail(ErrorKind::invalid_request, a.search ? "--search" : "--calibrate",
           "is for affine scales, {} has none to search for", a.mode);
    }
    choice = {.recipe = convert::uniform_recipe(q), .search = search, .how = describe(q)};
  } else {
    choice.recipe = a.recipe.empty() ? convert::recipes().front() : convert::recipe_named(a.recipe);
    choice.search = !a.no_search;
    choice.how = fmt::format("recipe {}", choice.recipe.name);
  }
  choice.how += !a.text.empty() ? ", calibrated" : choice.search ? ", scales searched" : "";
  return choice;
}

std::string origin_of(const std::string& source, const fs::path& folder) {
  if (const auto contents = known_contents(folder); contents && !contents->repository.empty()) {
    return contents->repository + (contents->commit.empty() ? "" : ", commit " + contents->commit);
  }
  return source;
}

// Shows how far it is, keeps the workspace, and stops on Ctrl-C.
class Watch {
 public:
  explicit Watch(const Workspace& space) : space_(space) {}

  void operator()(std::uint64_t done, std::uint64_t total) {
    display_.show({.status = "pulling", .all_total = total, .all_completed = done});
    if (interrupted()) throw Error(ErrorKind::cancelled, "");
    const auto now = std::chrono::steady_clock::now();
    if (now - kept_ < 5s) return;
    kept_ = now;
    if (!space_.keep()) fail(ErrorKind::overloaded, space_.path().string(), "another process has taken this folder");
  }

 private:
  const Workspace& space_;
  PullDisplay display_;
  std::chrono::steady_clock::time_point kept_ = std::chrono::steady_clock::now();
};

// So that `glimt verify` can tell later.
void write_hashes(const fs::path& folder, const std::string& origin, Watch& watch) {
  Manifest manifest{.source = "glimt convert", .repository = origin, .revision = "", .commit = "", .files = {}};
  std::uint64_t total = 0, done = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    manifest.files.push_back(
        {.path = entry.path().filename().string(), .size = entry.file_size(), .sha256 = "", .blob = ""});
    total += entry.file_size();
  }
  std::sort(manifest.files.begin(), manifest.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  for (FileRecord& file : manifest.files) {
    file.sha256 = digest_of_file(DigestKind::sha256, folder / file.path, [&](std::size_t bytes) {
      done += bytes;
      watch(done, total);
    });
  }
  write_manifest(folder, manifest);
}

void make(convert::Conversion& conversion, const ConversionTarget& target, const std::string& origin) {
  Workspace space = target.workspace();
  try {
    {
      Watch watch(space);
      conversion.run(space.made(), space.path() / "journal",
                     [&](const convert::ConvertProgress& p) { watch(p.done, p.total); });
    }
    {
      Watch watch(space);
      write_hashes(space.made(), origin, watch);
    }
    target.publish(space);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) {
      target.discard(space);
      throw;
    }
    fail(ErrorKind::cancelled, target.folder().string(),
         "interrupted; what is finished is kept, and the same command goes on from there");
  }
}

std::optional<convert::CalibrationText> read_calibration(const ConvertArguments& a, const fs::path& source) {
  if (a.text.empty()) return std::nullopt;
  kernels::set_process_buffer_cache(kernels::process_buffer_cache());
  convert::CalibrationText text{.tokens = read_text_tokens(a.text, source, Tokenizer(source), TextForm::raw)};
  if (text.tokens.size() > convert::CalibrationText::kMostTokens) {
    fmt::print(stderr, "{} has {} tokens; {} of them calibrate\n", a.text, text.tokens.size(),
               convert::CalibrationText::kMostTokens);
    text.shorten();
  }
  return text;
}

convert::ConvertOptions options_of(const Choice& choice, const std::string& origin) {
  return {.recipe = choice.recipe,
          .repack = choice.repack,
          .search = choice.search,
          .notes = {{"format", "mlx"}, {"made_from", origin}, {"made_how", "glimt convert, " + choice.how}},
          .threads = kernels::process_threads()};
}

void make_and_report(const ConvertArguments& a, const Choice& choice, convert::Conversion& conversion,
                     const ConversionTarget& target, const std::string& origin) {
  catch_interrupts();
  make(conversion, target, origin);
  const double bits = static_cast<double>(conversion.result_bytes()) * 8 / static_cast<double>(conversion.parameters());
  fmt::print("{} is here: {}, {}, {:.2f} bits a weight, in {}\n", a.target, choice.how,
             describe_bytes(conversion.result_bytes()), bits, target.folder().string());
  if (const auto measured = conversion.measured()) {
    fmt::print(
        "KL divergence from the source: {} nats, same top token {} %; {} tokens of the text were held back for that\n",
        describe(measured->divergence), describe(measured->same_best, 100), measured->model.tokens);
  }
}

void run_gguf(const ConvertArguments& a) {
  if (!a.text.empty()) {
    fail(ErrorKind::invalid_request, "--calibrate", "wants a model in floats that runs, {} is a GGUF file", a.source);
  }
  const GgufSource source = open_gguf_source(a.source, a.tokenizer);
  const bool as_it_is = a.repack || (a.mode.empty() && a.recipe.empty() && !a.dequantize);
  const Choice choice = as_it_is ? Choice{.recipe = convert::gguf_recipe(*source.model),
                                          .search = !a.no_search,  // for what has to be quantized again
                                          .how = "as in the GGUF file"}
                                 : choice_of(a);
  const ConversionTarget target(a.target, a.source);
  convert::Conversion conversion(source.model, source.tokenizer, options_of(choice, a.source));
  make_and_report(a, choice, conversion, target, a.source);
  print_gguf_uses(convert::gguf_uses(*source.model, choice.recipe));
}

void run(const ConvertArguments& a) {
  if (a.threads > 0) kernels::set_process_threads(a.threads);
  if (is_gguf(a.source)) return run_gguf(a);
  if (!a.tokenizer.empty()) fail(ErrorKind::invalid_request, "--tokenizer", "is for GGUF files, {} is none", a.source);
  offer_to_pull(a.source);
  const fs::path source = resolve_model(a.source);
  const Choice choice = choice_of(a);
  refuse_unsaid(a, summarize(source));
  const ConversionTarget target(a.target, source);
  const std::string origin = origin_of(a.source, source);
  convert::ConvertOptions options = options_of(choice, origin);
  options.text = read_calibration(a, source);
  convert::Conversion conversion(source, options);
  make_and_report(a, choice, conversion, target, origin);
}

}  // namespace

void add_convert_command(CLI::App& app) {
  auto a = std::make_shared<ConvertArguments>();
  CLI::App* command = app.add_subcommand("convert", "Quantize a model, or lay its files out anew, as a new model");
  command->add_option("source", a->source, "Folder or name of a model, or a GGUF file")->required()->type_name("MODEL");
  command->add_option("target", a->target, "A new folder, or a new name (owner/name) in the store")
      ->required()
      ->type_name("DST");
  command->add_option("--tokenizer", a->tokenizer, "Of a GGUF file: a folder or model with its tokenizer.json")
      ->type_name("FOLDER");
  std::string help = "Which matrices become what:";
  std::vector<std::string> names;
  for (const convert::Recipe& recipe : convert::recipes()) {
    help += fmt::format("{} {} ({})", names.empty() ? "" : ";", recipe.name, recipe.help);
    names.push_back(recipe.name);
  }
  auto* recipe = command->add_option("--recipe", a->recipe, help + "; without anything else said, " + names.front());
  recipe->check(CLI::IsMember(names).description(""))->type_name("NAME")->group("What to make");
  auto* quantize =
      command->add_option("--quantize", a->mode,
                          "The same for all but the router, as mlx_lm.convert does it: affine, mxfp4, mxfp8 or nvfp4");
  quantize->check(CLI::IsMember({"affine", "mxfp4", "mxfp8", "nvfp4"}).description(""))
      ->type_name("MODE")
      ->group("What to make");
  command->add_option("--bits", a->bits, "Of --quantize affine: 2, 3, 4, 5, 6 or 8 (default 4)")
      ->check(CLI::Range(1, 32).description(""))
      ->needs(quantize)
      ->type_name("N")
      ->group("What to make");
  command
      ->add_option("--group-size", a->group_size,
                   "Of --quantize affine: 32, 64 or 128 values that share a scale (default 64)")
      ->check(CLI::Range(1, 1024).description(""))
      ->needs(quantize)
      ->type_name("N")
      ->group("What to make");
  auto* repack = command->add_flag(
      "--repack", a->repack, "Keep each matrix as it is stored; only the layout and the alignment become glimt's");
  auto* dequantize = command->add_flag("--dequantize", a->dequantize, "Make floats of everything");
  repack->group("What to make");
  dequantize->group("What to make");
  auto* search =
      command->add_flag("--search", a->search, "Search for affine scales that lose less than MLX's own (recipes do)");
  auto* no_search = command->add_flag("--no-search", a->no_search, "Take MLX's own scales");
  auto* calibrate =
      command->add_option("--calibrate", a->text,
                          "Search for the scales that lose least on this text: one for a chat template, or "
                          "a conversation a line (.jsonl)");
  calibrate->type_name("FILE");
  command->add_option("--threads", a->threads, "Threads; without it one for each core")
      ->check(CLI::Range(1, kernels::kMostThreads).description(""))
      ->type_name("N");
  recipe->excludes(quantize)->excludes(repack)->excludes(dequantize);
  quantize->excludes(repack)->excludes(dequantize);
  repack->excludes(dequantize)->excludes(search)->excludes(no_search);
  dequantize->excludes(search)->excludes(no_search);
  search->excludes(no_search);
  calibrate->excludes(repack)->excludes(dequantize)->excludes(no_search);
  command->callback([a] { run(*a); });
}

}  // namespace glimt

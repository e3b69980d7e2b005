// glimt kl: how far a model's predictions are from a reference's, e.g. a quantized model's from the original's.
#include "cli/commands.h"
#include "cli/pull_model.h"
#include "cli/text_flags.h"
#include "hub/store.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>

namespace glimt {
namespace {

struct KlArguments {
  std::string reference;
  std::string model;
  TextFlags text;
};

json::object to_json(const DivergenceReport& report, const KlArguments& arguments) {
  json::object kl = to_json(report.divergence);
  kl["median"] = report.median;
  kl["p99"] = report.p99;
  kl["largest"] = report.largest;
  return {{"reference", arguments.reference},
          {"model", arguments.model},
          {"text", arguments.text.file},
          {"tokens", report.model.tokens},
          {"windows", report.model.windows},
          {"context", arguments.text.options.context},
          {"kl", std::move(kl)},
          {"same_top", to_json(report.same_best)},
          {"perplexity",
           {{"reference", to_json(perplexity_of(report.reference.loss))},
            {"model", to_json(perplexity_of(report.model.loss))},
            {"ratio", to_json(perplexity_of(report.loss_increase))}}}};
}

void print_table(const DivergenceReport& report, const KlArguments& arguments) {
  fmt::print("KL divergence  mean       {} nats\n", describe(report.divergence));
  fmt::print("               median     {:.6g}\n", report.median);
  fmt::print("               99 %       {:.6g}\n", report.p99);
  fmt::print("               largest    {:.6g}\n", report.largest);
  fmt::print("same top token            {} %\n", describe(report.same_best, 100));
  fmt::print("perplexity     reference  {}\n", describe(perplexity_of(report.reference.loss)));
  fmt::print("               model      {}\n", describe(perplexity_of(report.model.loss)));
  fmt::print("               ratio      {}\n", describe(perplexity_of(report.loss_increase)));
  fmt::print("text                      {}\n\n", describe_text(report.model, arguments.text.options.context));
  fmt::print("{}\n", describe_errors(report.model));
}

void run(const KlArguments& arguments) {
  for (const std::string& name : {arguments.reference, arguments.model}) offer_to_pull(name);
  const std::filesystem::path reference = resolve_model(arguments.reference);
  const std::filesystem::path folder = resolve_model(arguments.model);
  const Tokenizer tokenizer(reference);
  check_same_vocabulary(reference, tokenizer, folder);
  const std::vector<TokenId> tokens = arguments.text.read_tokens(reference, tokenizer);
  const DivergenceReport report = arguments.text.with_progress(
      [&](const auto& tell) { return measure_divergence(reference, folder, tokens, arguments.text.options, tell); });
  if (arguments.text.json) {
    fmt::print("{}\n", dump_json(to_json(report, arguments)));
  } else {
    print_table(report, arguments);
  }
}

}  // namespace

void add_kl_command(CLI::App& app) {
  auto arguments = std::make_shared<KlArguments>();
  CLI::App* command = app.add_subcommand("kl", "Measure how far a model's predictions are from a reference's");
  command->add_option("reference", arguments->reference, "The model to compare with, e.g. the one in bfloat16")
      ->required()
      ->type_name("REFERENCE");
  command->add_option("model", arguments->model, "The model that is measured")->required()->type_name("MODEL");
  arguments->text.add_to(*command);
  command->footer("The columns are explained in docs/MODELS.md.");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

// glimt perplexity: how well a model predicts a text.
#include "cli/commands.h"
#include "cli/pull_model.h"
#include "cli/text_flags.h"
#include "hub/store.h"

#include <fmt/format.h>

#include <memory>
#include <string>

namespace glimt {
namespace {

struct PerplexityArguments {
  std::string model;
  TextFlags text;
};

json::object to_json(const PerplexityReport& report, const PerplexityArguments& arguments) {
  return {{"model", arguments.model},
          {"text", arguments.text.file},
          {"tokens", report.tokens},
          {"windows", report.windows},
          {"context", arguments.text.options.context},
          {"loss", to_json(report.loss)},
          {"perplexity", to_json(perplexity_of(report.loss))}};
}

void print_table(const PerplexityReport& report, const PerplexityArguments& arguments) {
  fmt::print("perplexity  {}\n", describe(perplexity_of(report.loss)));
  fmt::print("loss        {} nats a token\n", describe(report.loss));
  fmt::print("text        {}\n\n", describe_text(report, arguments.text.options.context));
  fmt::print("{}\n", describe_errors(report));
}

void run(const PerplexityArguments& arguments) {
  offer_to_pull(arguments.model);
  const std::filesystem::path folder = resolve_model(arguments.model);
  const std::vector<TokenId> tokens = arguments.text.read_tokens(folder, Tokenizer(folder));
  const PerplexityReport report = arguments.text.with_progress(
      [&](const auto& tell) { return measure_perplexity(folder, tokens, arguments.text.options, tell); });
  if (arguments.text.json) {
    fmt::print("{}\n", dump_json(to_json(report, arguments)));
  } else {
    print_table(report, arguments);
  }
}

}  // namespace

void add_perplexity_command(CLI::App& app) {
  auto arguments = std::make_shared<PerplexityArguments>();
  CLI::App* command = app.add_subcommand("perplexity", "Measure how well a model predicts a text");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  arguments->text.add_to(*command);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

// glimt pull: a model from Hugging Face's hub, or ModelScope's, into the store.
#include "cli/commands.h"
#include "cli/pull_model.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <string>

namespace glimt {

void add_pull_command(CLI::App& app) {
  struct Arguments {
    std::string model;
    bool json = false;
    int connections = 8;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("pull", "Get a model from Hugging Face or ModelScope, or go on with it");
  command->add_option("model", arguments->model, "owner/name, owner/name@revision, modelscope:owner/name")
      ->required()
      ->type_name("MODEL");
  command->add_flag("--json", arguments->json, "Print what happens as JSON lines, as Ollama's /api/pull");
  command->add_option("--connections", arguments->connections, "Most connections at once")
      ->check(CLI::Range(1, 64).description(""))
      ->type_name("N")
      ->capture_default_str();
  command->callback([arguments] {
    pull_model(arguments->model, arguments->json ? PullOutput::json_lines : PullOutput::people, arguments->connections);
  });
}

}  // namespace glimt

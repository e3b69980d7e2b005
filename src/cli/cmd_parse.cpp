// glimt parse: raw model output on stdin to one line of JSON.
#include "base/error.h"
#include "chat/tag_reader.h"
#include "cli/chat_flags.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "hub/store.h"

#include <memory>
#include <string>

namespace glimt {
namespace {

struct ParseArguments {
  std::string model;
  std::string tools;
  bool thinking = true;
  std::size_t chunk = 0;
};

void run(const ParseArguments& arguments) {
  resolve_model(arguments.model);  // every model of this family writes the same format; a wrong name is still an error
  const json::array tools = arguments.tools.empty() ? json::array() : read_tools(arguments.tools);
  const std::string text = read_stdin();
  check_utf8(text, "stdin");
  OutputRules rules;
  rules.calls.tools = ToolSchemas(tools);
  rules.starts_thinking = arguments.thinking;
  const ParsedOutput output = parse_raw(text, rules, arguments.chunk);
  fmt::print("{}\n", dump_json(to_json(output)));
}

}  // namespace

void add_parse_command(CLI::App& app) {
  auto arguments = std::make_shared<ParseArguments>();
  CLI::App* command =
      app.add_subcommand("parse", "Separate raw model output (stdin) into thinking, content and tool calls");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("--tools", arguments->tools, "The tools that were offered: a JSON array in OpenAI's form")
      ->type_name("FILE");
  command->add_flag("!--no-think", arguments->thinking, "The text starts outside of the thinking");
  command->add_option("--chunk", arguments->chunk, "Feed N bytes at a time, as if streamed (the result is the same)")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 30).description(""))
      ->type_name("N");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

// glimt prompt: a conversation on stdin to the prompt that the model gets.
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/messages.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "hub/store.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {
namespace {

struct PromptArguments {
  std::string model;
  bool tokens = false;
  bool jsonl = false;
};

// Fields of a request in OpenAI's form that templates read beside messages and tools; others (model, temperature, …)
// are not their business.
constexpr std::array<std::string_view, 4> kTemplateFields = {"documents", "add_generation_prompt", "enable_thinking",
                                                             "clear_thinking"};

json::object template_request(std::string_view text, const std::string& where) {
  const json::value request = parse_json(text, where);
  if (!request.is_object()) fail(ErrorKind::invalid_request, where, "the request must be a JSON object");
  const JsonFields fields(request.get_object(), where, ErrorKind::invalid_request);
  json::object out{{"messages", normalized_messages(fields.array("messages"), where)}};
  if (fields.has("tools")) out["tools"] = normalized_tools(fields.array("tools"), where);
  for (const std::string_view name : kTemplateFields) {
    if (const json::value* value = fields.find(name)) out[name] = *value;
  }
  if (fields.has("chat_template_kwargs")) {
    for (const auto& [name, value] : fields.object("chat_template_kwargs")) out[name] = value;
  }
  return out;
}

class PromptPrinter {
 public:
  explicit PromptPrinter(const PromptArguments& arguments)
      : arguments_(arguments),
        folder_(resolve_model(arguments.model)),
        tokenizer_(folder_),
        template_(folder_, tokenizer_) {}

  void print(std::string_view request, const std::string& where) const {
    const RenderedPrompt prompt = template_.render(template_request(request, where));
    if (arguments_.tokens) {
      fmt::print("[{}]\n", fmt::join(tokenizer_.encode(prompt), ", "));
    } else if (arguments_.jsonl) {
      fmt::print("{}\n", json::serialize(json::string_view(prompt.text)));
    } else {
      fmt::print("{}", prompt.text);
    }
  }

  // One request a line; an error names the line.
  void print_lines(std::string_view text) const {
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) {
      ++number;
      if (trimmed(line).empty()) continue;
      try {
        print(line, "request");
      } catch (const Error& error) {
        fail(error.kind(), fmt::format("line {}", number), "{}", error.what());
      }
    }
  }

 private:
  const PromptArguments& arguments_;
  std::filesystem::path folder_;
  Tokenizer tokenizer_;
  ChatTemplate template_;
};

void run(const PromptArguments& arguments) {
  const PromptPrinter printer(arguments);
  const std::string input = read_stdin();
  if (arguments.jsonl) {
    printer.print_lines(input);
  } else {
    printer.print(input, "request");
  }
}

}  // namespace

void add_prompt_command(CLI::App& app) {
  auto arguments = std::make_shared<PromptArguments>();
  CLI::App* command = app.add_subcommand(
      "prompt", "Render a conversation (stdin: JSON with messages, tools, chat_template_kwargs) as the model gets it");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_flag("--tokens", arguments->tokens, "Print token ids as a JSON array instead of text");
  command->add_flag("--jsonl", arguments->jsonl, "One request a line in, one JSON string (or array) a line out");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

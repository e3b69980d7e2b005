// glimt run: chat in the terminal, or one answer for a prompt on the command line or on stdin.
#include "base/file.h"
#include "cli/answer.h"
#include "cli/chat_flags.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/load_flags.h"
#include "cli/repl.h"
#include "cli/stats.h"

#include <memory>
#include <optional>
#include <string>

namespace glimt {
namespace {

constexpr const char* kShippedModel = "demo";

struct RunArguments {
  std::string model = kShippedModel;
  std::optional<std::string> prompt;
  LoadFlags load;
  ChatFlags chat;
  bool stats = false;
};

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

void report(const ChatModel& model, const ChatResult& result, bool stats) {
  if (result.reason == FinishReason::length) fmt::print(stderr, "(cut off: max_tokens or the context is used up)\n");
  if (result.reason == FinishReason::repetition) fmt::print(stderr, "(stopped: the answer only repeated itself)\n");
  if (result.output.call_cut) fmt::print(stderr, "(a tool call was cut off: it is text now, and nothing is called)\n");
  if (!result.tokens.empty()) fmt::print(stderr, "{}", describe_tokens(model.tokenizer, result.tokens));
  if (stats) fmt::print(stderr, "{}", describe(model, result.stats));
}

void answer_once(const ChatModel& model, const RunArguments& arguments, const std::string& prompt) {
  const json::array messages{{{"role", "user"}, {"content", prompt}}};
  const ChatRequest request = make_request(arguments.chat.over(model.defaults), messages, model.tokenizer);
  const ChatResult result = stream_answer(model, request);
  report(model, result, arguments.stats);
  leave_session(model, arguments.load.session, result.prompt);
  if (result.reason == FinishReason::cancelled && interrupted())
    throw CLI::RuntimeError(exit_code(ErrorKind::cancelled));
}

// Nobody is there to talk to (`glimt run MODEL < /dev/null`): the model answers the questions of demonstration.json in
// its folder, an array of {"messages", "tools"?, "enable_thinking"?}, greedily. A model without this file tells what to
// do.
void demonstrate(const ChatModel& model, const RunArguments& arguments) {
  const std::filesystem::path file = model.folder / "demonstration.json";
  if (!std::filesystem::exists(file)) {
    fmt::print("{} is ready, but there is no prompt: run this in a terminal to chat, or give one: glimt run {} \"…\"\n",
               model.name, model.name);
    return;
  }
  const json::value scenes = parse_json_file(file);
  if (!scenes.is_array()) fail(ErrorKind::bad_file, file.string(), "an array of conversations is wanted");
  fmt::print(
      "No prompt and no terminal, so here is what {} answers to some questions. Run this in a terminal to chat.\n",
      model.name);
  for (const json::value& scene : scenes.get_array()) {
    ChatSettings settings = arguments.chat.over(model.defaults);
    settings.sampling.temperature = 0;
    json::array messages;
    conversation_from_json(scene, file.string(), settings, messages);
    if (messages.empty()) fail(ErrorKind::bad_file, file.string(), "a conversation without messages");
    const json::value* content = messages.back().as_object().if_contains("content");
    fmt::print("\n>>> {}\n", content != nullptr && content->is_string() ? std::string(content->get_string()) : "");
    report(model, stream_answer(model, make_request(settings, messages, model.tokenizer), true), arguments.stats);
    if (interrupted()) throw CLI::RuntimeError(exit_code(ErrorKind::cancelled));
  }
}

void run(const RunArguments& arguments) {
  if (follow_rank_0(arguments.model, arguments.load)) return;
  std::optional<std::string> prompt = arguments.prompt;
  const bool piped = !prompt && !stdin_is_terminal();
  if (piped) prompt = read_stdin();
  if (prompt) check_utf8(*prompt, piped ? "stdin" : "PROMPT");
  if (prompt && !piped && is_blank(*prompt)) fail(ErrorKind::invalid_request, "PROMPT", "must not be empty");

  const ChatModel model = load_model_for(arguments.model, arguments.load);
  catch_interrupts();
  resume_session(model, arguments.load.session);
  if (piped && is_blank(*prompt)) {
    demonstrate(model, arguments);
  } else if (prompt) {
    answer_once(model, arguments, *prompt);
  } else {
    Repl repl(model, arguments.chat.over(model.defaults), arguments.stats);
    repl.run();
    leave_session(model, arguments.load.session, repl.conversation());
  }
}

}  // namespace

void add_run_command(CLI::App& app) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run", "Chat with a model, or answer one prompt");
  command->add_option("model", arguments->model, "Folder or name of a model")
      ->type_name("MODEL")
      ->capture_default_str();
  command->add_option("prompt", arguments->prompt, "Answer this and exit; without it, chat in a terminal or read stdin")
      ->type_name("PROMPT");
  command->add_flag("--stats", arguments->stats, "Print speed, memory and load time after each answer");
  command
      ->add_option("--session", arguments->load.session,
                   "Begin with the cache in this file, if it exists, and leave it there at the end")
      ->type_name("FILE")
      ->group("Model");
  arguments->chat.add_to(*command);
  arguments->load.add_to(*command);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

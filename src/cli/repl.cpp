#include "cli/repl.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/messages.h"
#include "chat/tool_schemas.h"
#include "cli/answer.h"
#include "cli/bytes.h"
#include "cli/display_width.h"
#include "cli/interrupt.h"
#include "cli/line_wrapper.h"
#include "cli/stats.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr const char* kPrompt = ">>> ";
constexpr const char* kMorePrompt = "... ";
constexpr std::string_view kQuotes = "\"\"\"";

void require(const std::string& argument, std::string_view command, std::string_view what) {
  if (argument.empty()) fail(ErrorKind::invalid_request, command, "{} is wanted", what);
}

constexpr std::size_t kLeft = 25;  // where the right column of a table begins
constexpr std::size_t kDefaultWidth = 80;

std::size_t table_width() {
  const std::size_t width = terminal_width(stdout);
  return width == 0 ? kDefaultWidth : width;
}

std::string shown(const Setting& setting, const ChatSettings& settings) {
  return in_columns(fmt::format("  {:<20} {:<11}", setting.name, setting.shown(settings)), setting.help, kLeft + 10,
                    table_width());
}

void print_error(const std::exception& error) { fmt::print(stderr, "glimt: {}\n", error.what()); }

}  // namespace

const Repl::Command Repl::kCommands[] = {
    {"/help", "", "this list", &Repl::help},
    {"/system", "[TEXT]", "show or set the system message (- for none)", &Repl::system},
    {"/set", "[NAME [VALUE]]", "show all settings or one, or set one", &Repl::set},
    {"/think", "", "think before answering", &Repl::think},
    {"/nothink", "", "answer at once", &Repl::nothink},
    {"/tools", "[FILE]", "show or set the tools that may be called (- for none); you type their results", &Repl::tools},
    {"/clear", "", "forget the conversation", &Repl::clear},
    {"/save", "FILE", "write the conversation", &Repl::save},
    {"/load", "FILE", "go on with a saved conversation", &Repl::load},
    {"/session", "save FILE", "write what was computed of the conversation, so that a later run need not read it again",
     &Repl::session},
    {"/session", "load FILE", "take it back, then /load the conversation", &Repl::session},
    {"/stats", "", "speed and memory of the last answer", &Repl::stats},
    {"/bye", "", "end (also Ctrl-D)", &Repl::bye},
};

Repl::Repl(const ChatModel& model, ChatSettings settings, bool stats)
    : model_(model), settings_(std::move(settings)), show_stats_(stats), editor_(history_path()) {}

void Repl::run() {
  fmt::print("{} is listening.\n/help lists the commands; Ctrl-C stops an answer, Ctrl-D ends.\n", model_.name);
  while (!ended_) {
    clear_interrupt();
    const std::optional<std::string> message = read_message();
    if (!message) {
      fmt::print("\n");
      return;
    }
    if (trimmed(*message).empty()) continue;
    try {
      if (message->front() == '/') {
        obey(*message);
      } else {
        converse(*message);
      }
    } catch (const Error& error) {
      print_error(error);
    }
    std::fflush(stdout);
  }
}

std::optional<std::string> Repl::read_message() {
  std::string line;
  switch (editor_.read(kPrompt, line)) {
    case LineEditor::Outcome::end: return std::nullopt;
    case LineEditor::Outcome::interrupted: return "";
    case LineEditor::Outcome::line: break;
  }
  editor_.remember(line);
  if (line.starts_with(kQuotes)) {
    line.erase(0, kQuotes.size());
    if (const std::size_t end = line.rfind(kQuotes); end != std::string::npos) return line.substr(0, end);
    return read_more(line + "\n", kQuotes.data());
  }
  if (!line.empty() && line.back() == '\\') {
    line.back() = '\n';
    return read_more(std::move(line), nullptr);
  }
  return line;
}

// Up to a line that ends with `end`; with none, up to a line that does not end with a backslash.
std::optional<std::string> Repl::read_more(std::string text, const char* end) {
  for (;;) {
    std::string line;
    switch (editor_.read(kMorePrompt, line)) {
      case LineEditor::Outcome::end: return std::nullopt;
      case LineEditor::Outcome::interrupted: return "";
      case LineEditor::Outcome::line: break;
    }
    editor_.remember(line);
    if (end != nullptr) {
      if (line.ends_with(end)) return text + line.substr(0, line.size() - std::string_view(end).size());
      text += line + "\n";
    } else {
      if (line.empty() || line.back() != '\\') return text + line;
      line.back() = '\n';
      text += line;
    }
  }
}

void Repl::obey(std::string_view line) {
  line = trimmed(line);
  const std::size_t space = line.find_first_of(" \t\n");
  const std::string_view name = line.substr(0, space);
  const std::string argument(space == std::string_view::npos ? std::string_view() : trimmed(line.substr(space)));
  const auto* command =
      std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Command& c) { return c.name == name; });
  if (command == std::end(kCommands)) {
    fail(ErrorKind::invalid_request, name, "there is no such command; /help lists them");
  }
  (this->*command->action)(argument);
}

// A failed or at once interrupted request leaves the conversation as it was.
void Repl::converse(const std::string& message) {
  const json::array before = messages_;
  messages_.push_back({{"role", "user"}, {"content", message}});
  for (;;) {
    ChatResult result;
    try {
      result = stream_answer(model_, make_request(settings_, messages_, model_.tokenizer));
    } catch (...) {
      messages_ = before;
      throw;
    }
    last_stats_ = result.stats;
    conversation_ = result.prompt;
    if (result.reason == FinishReason::cancelled) fmt::print(stderr, "(stopped)\n");
    if (result.reason == FinishReason::length) fmt::print(stderr, "(cut off: max_tokens or the context is used up)\n");
    if (result.reason == FinishReason::repetition) fmt::print(stderr, "(stopped: the answer only repeated itself)\n");
    if (result.output.call_cut)
      fmt::print(stderr, "(a tool call was cut off: it is text now, and nothing is called)\n");
    if (!result.tokens.empty()) fmt::print(stderr, "{}", describe_tokens(model_.tokenizer, result.tokens));
    if (show_stats_) fmt::print(stderr, "{}", describe(model_, result.stats));
    if (result.reason == FinishReason::cancelled && result.stats.generated_tokens == 0) {
      messages_ = before;
      return;
    }
    messages_.push_back(to_message(result.output));
    if (result.reason == FinishReason::cancelled || result.output.tool_calls.empty()) return;
    if (!ask_for_results(result.output)) return;
  }
}

bool Repl::ask_for_results(const ParsedOutput& output) {
  json::array results;
  for (const ToolCall& call : output.tool_calls) {
    std::string line;
    if (editor_.read(fmt::format("result of {}> ", call.name), line) != LineEditor::Outcome::line) return false;
    editor_.remember(line);
    results.push_back({{"role", "tool"}, {"content", line}});
  }
  messages_.insert(messages_.end(), results.begin(), results.end());
  return true;
}

void Repl::help(const std::string&) {
  const std::size_t width = table_width();
  for (const Command& command : kCommands) {
    fmt::print("{}", in_columns(fmt::format("  {} {}", command.name, command.arguments), command.help, kLeft, width));
  }
  fmt::print("{}", in_columns("  \"\"\"", "begins and ends a message of several lines; so does \\ at the end of a line",
                              kLeft, width));
}

void Repl::system(const std::string& argument) {
  if (!argument.empty()) settings_.system = argument == "-" ? "" : argument;
  fmt::print("system message: {}\n", settings_.system.empty() ? "none" : settings_.system);
}

void Repl::set(const std::string& argument) {
  if (argument.empty()) {
    for (const Setting& setting : chat_settings()) fmt::print("{}", shown(setting, settings_));
    return;
  }
  const std::size_t space = argument.find_first_of(" \t");
  const std::string name = argument.substr(0, space);
  const std::string value(space == std::string::npos ? std::string_view()
                                                     : trimmed(std::string_view(argument).substr(space)));
  if (value.empty()) {
    fmt::print("{}", shown(find_chat_setting(name), settings_));
    return;
  }
  set_from_terminal(settings_, name, value);
}

void Repl::think(const std::string&) {
  settings_.thinking = true;
  fmt::print("thinking: on\n");
}

void Repl::nothink(const std::string&) {
  settings_.thinking = false;
  fmt::print("thinking: off\n");
}

void Repl::tools(const std::string& argument) {
  if (!argument.empty()) settings_.tools = argument == "-" ? json::array() : read_tools(argument);
  fmt::print("tools: {}\n", settings_.tools.empty() ? "none" : dump_json(settings_.tools));
}

void Repl::clear(const std::string&) {
  fmt::print("forgot {} messages\n", messages_.size());
  messages_.clear();
  conversation_.clear();
}

void Repl::save(const std::string& argument) {
  require(argument, "/save", "a file");
  write_file_atomically(argument, dump_json(conversation_to_json(settings_, messages_)) + "\n", FileAccess::owner_only);
  fmt::print("saved {} messages\n", messages_.size());
}

void Repl::load(const std::string& argument) {
  require(argument, "/load", "a file");
  conversation_from_json(parse_json(read_file(argument), argument), argument, settings_, messages_);
  conversation_.clear();
  fmt::print("loaded {} messages\n", messages_.size());
}

void Repl::session(const std::string& argument) {
  const std::size_t space = std::min(argument.find_first_of(" \t"), argument.size());
  const std::string action = argument.substr(0, space);
  const std::string file(trimmed(std::string_view(argument).substr(space)));
  if ((action != "save" && action != "load") || file.empty()) {
    fail(ErrorKind::invalid_request, "/session", "save FILE or load FILE is wanted");
  }
  if (action == "save" && conversation_.empty()) {
    fail(ErrorKind::invalid_request, "/session", "nothing of this conversation has been answered yet");
  }
  const std::size_t tokens =
      action == "save" ? model_.engine->save_session(file, conversation_) : model_.engine->load_session(file);
  fmt::print("{} {} tokens, {}\n", action == "save" ? "saved" : "loaded", tokens,
             describe_bytes(std::filesystem::file_size(file)));
}

void Repl::stats(const std::string&) {
  if (!last_stats_) fail(ErrorKind::invalid_request, "/stats", "nothing has been answered yet");
  fmt::print("{}", describe(model_, *last_stats_));
}

void Repl::bye(const std::string&) { ended_ = true; }

json::object conversation_to_json(const ChatSettings& settings, const json::array& messages) {
  json::array all;
  if (!settings.system.empty()) all.push_back({{"role", "system"}, {"content", settings.system}});
  all.insert(all.end(), messages.begin(), messages.end());
  json::object conversation{{"messages", std::move(all)}};
  if (!settings.tools.empty()) conversation["tools"] = settings.tools;
  conversation["enable_thinking"] = settings.thinking;
  return conversation;
}

void conversation_from_json(const json::value& value, const std::string& where, ChatSettings& settings,
                            json::array& messages) {
  if (!value.is_object()) fail(ErrorKind::bad_file, where, "an object with \"messages\" is wanted");
  const JsonFields fields(value.get_object(), where);
  json::array loaded = normalized_messages(fields.array("messages"), where, ErrorKind::bad_file);
  std::string system;
  if (!loaded.empty() && loaded[0].at("role") == "system") {
    system = loaded[0].at("content").as_string();
    loaded.erase(loaded.begin());
  }
  json::array tools;
  if (fields.has("tools")) tools = normalized_tools(fields.array("tools"), where, ErrorKind::bad_file);
  const ToolSchemas checked{tools};  // says now what is wrong with them
  settings.thinking = fields.boolean_or("enable_thinking", true);
  settings.tools = std::move(tools);
  settings.system = std::move(system);
  messages = std::move(loaded);
}

}  // namespace glimt

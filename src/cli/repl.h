// A conversation in the terminal.
#pragma once

#include "cli/chat_flags.h"
#include "cli/line_editor.h"
#include "serving/chat_model.h"

#include <optional>
#include <string>
#include <string_view>

namespace glimt {

class Repl {
 public:
  // `stats`: print speed and memory after each answer. REQUIRES: catch_interrupts() was called.
  Repl(const ChatModel& model, ChatSettings settings, bool stats);

  // Until /bye or Ctrl-D. Errors of a request are printed and the conversation goes on; others are thrown.
  void run();

  // The tokens of the last prompt: the conversation so far. None after /clear or /load.
  const std::vector<TokenId>& conversation() const { return conversation_; }

 private:
  struct Command {
    std::string_view name;
    std::string_view arguments;
    std::string_view help;
    void (Repl::*action)(const std::string& argument);
  };
  static const Command kCommands[];

  std::optional<std::string> read_message();  // nothing at the end of the input; empty for a dropped line
  std::optional<std::string> read_more(std::string text, const char* end);
  void obey(std::string_view line);
  void converse(const std::string& message);
  bool ask_for_results(const ParsedOutput& output);  // of the tools that the model called; false: the user gave up

  void help(const std::string& argument);
  void system(const std::string& argument);
  void set(const std::string& argument);
  void think(const std::string& argument);
  void nothink(const std::string& argument);
  void tools(const std::string& argument);
  void clear(const std::string& argument);
  void save(const std::string& argument);
  void load(const std::string& argument);
  void session(const std::string& argument);
  void stats(const std::string& argument);
  void bye(const std::string& argument);

  const ChatModel& model_;
  ChatSettings settings_;
  bool show_stats_;
  LineEditor editor_;
  json::array messages_;  // without the system message
  std::optional<GenerationStats> last_stats_;
  std::vector<TokenId> conversation_;
  bool ended_ = false;
};

// A conversation as /save writes it and /load and `glimt prompt` read it: {"messages", "tools", "enable_thinking"}.
json::object conversation_to_json(const ChatSettings& settings, const json::array& messages);

// The reverse; `settings` and `messages` are changed only if all is well. Throws bad_file, which names `where`.
void conversation_from_json(const json::value& value, const std::string& where, ChatSettings& settings,
                            json::array& messages);

}  // namespace glimt

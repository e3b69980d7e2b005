// What can be set about an answer, in one table that serves the command line (--top-k 40) and the REPL (/set top_k 40).
#pragma once

#include "chat/chat_pipeline.h"

#include <CLI/CLI.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glimt {

struct ChatSettings {
  SamplingParams sampling;
  std::vector<std::string> dry_breakers = {"\n", ":", "\"", "*"};  // as in other engines
  std::size_t max_tokens = 0;
  std::size_t thinking_budget = 0;
  std::vector<std::string> stop;
  bool stop_in_thinking = false;
  bool thinking = true;
  std::string system;
  json::array tools;

  // At most one of these: what the answer has to be.
  std::string format;  // "json", or a file with a JSON schema
  std::string regex;
  std::string grammar;               // a file with a Lark grammar
  std::string tool_choice = "auto";  // auto, required, none, or a tool's name
};

struct Setting {
  std::string_view name;   // snake_case; the flag has '-' for '_'
  std::string_view value;  // what kind of value, for the help
  std::string_view help;
  bool repeatable;                                     // each use adds one; in the REPL, the word "none" empties it
  void (*set)(ChatSettings&, std::string_view value);  // throws invalid_request
  std::string (*get)(const ChatSettings&);
};

std::span<const Setting> chat_settings();

// By its name ('-' and '_' are the same). Throws invalid_request for an unknown one, and names those that there are.
const Setting& find_chat_setting(std::string_view name);

// Sets one by its name ('-' and '_' are the same). Throws invalid_request for an unknown name or an impossible value, and
// then leaves the settings as they were.
void set_chat_setting(ChatSettings& settings, std::string_view name, std::string_view value);

// The flags of the table and --think, --no-think, --system, --tools. Values are checked while parsing and applied later,
// over the defaults of the model.
class ChatFlags {
 public:
  void add_to(CLI::App& command);
  ChatSettings over(SamplingParams defaults) const;

 private:
  std::vector<std::pair<std::string, std::string>> given_;
  ChatSettings checked_;  // where values are tried out
  bool thinking_ = true;
  std::string system_;
  json::array tools_;
};

// A file with the array of tools in OpenAI's form. Throws not_found, bad_file, invalid_request.
json::array read_tools(const std::string& path);

// The request for `messages` (the system message goes in front). Names of DRY breakers become token ids here.
ChatRequest make_request(const ChatSettings& settings, const json::array& messages, const Tokenizer& tokenizer);

}  // namespace glimt

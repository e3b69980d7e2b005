// The settings of an answer as flags, and what flags name: files.
#pragma once

#include "chat/settings.h"

#include <CLI/CLI.hpp>

#include <string>
#include <utility>
#include <vector>

namespace glimt {

// The flags of the table of settings and --think, --no-think, --system, --tools. Values are checked while parsing and
// applied later, over the defaults of the model.
class ChatFlags {
 public:
  void add_to(CLI::App& command);
  ChatSettings over(SamplingParams defaults) const;

 private:
  void add_setting(CLI::App& command, const Setting& setting);

  std::vector<std::pair<std::string, std::string>> given_;
  ChatSettings checked_;  // where values are tried out
  bool thinking_ = true;
  std::string system_;
  json::array tools_;
};

// set_chat_setting, where values may name files.
void set_from_terminal(ChatSettings& settings, std::string_view name, std::string_view value);

// A file with the array of tools, as normalized_tools. Throws not_found, bad_file, invalid_request.
json::array read_tools(const std::string& path);

}  // namespace glimt

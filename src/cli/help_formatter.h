// The help of the commands in two columns that fit the terminal.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace glimt {

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

}  // namespace glimt

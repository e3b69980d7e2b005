#include "cli/help_formatter.h"

#include "cli/display_width.h"
#include "cli/line_wrapper.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kWidth = 80;         // also of a wider terminal: long lines are hard to read
constexpr std::size_t kCommandWidth = 14;  // of the column with the commands' names

std::size_t help_width() {
  const std::size_t terminal = terminal_width(stdout);
  return terminal == 0 ? kWidth : std::min(terminal, kWidth);
}

}  // namespace

// CLI11 parts groups by two empty lines.
std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
  for (std::size_t at = help.find("\n\n\n"); at != std::string::npos; at = help.find("\n\n\n", at)) help.erase(at, 1);
  LineWrapper wrapper(help_width);  // of descriptions; the columns fit already
  std::string wrapped = wrapper.push(help);
  wrapped += wrapper.flush();
  return wrapped;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  const std::string left = "  " + make_option_name(option, is_positional) + make_option_opts(option);
  return in_columns(left, make_option_desc(option), get_column_width(), help_width());
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return in_columns("  " + command->get_name(), command->get_description(), kCommandWidth, help_width());
}

}  // namespace glimt

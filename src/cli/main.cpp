#include "base/error.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"

#include <fmt/ranges.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace glimt {
namespace {

constexpr int kUsageStatus = 2;
constexpr int kFailureStatus = 1;
constexpr int kBrokenPipeStatus = 141;  // what a shell reports for a program that SIGPIPE ended

constexpr void (*kCommands[])(CLI::App&) = {
    add_run_command,        add_serve_command, add_pull_command,    add_list_command,   add_show_command,
    add_rm_command,         add_cp_command,    add_verify_command,  add_du_command,     add_prompt_command,
    add_tokenize_command,   add_parse_command, add_compare_command, add_bench_command,  add_eval_command,
    add_perplexity_command, add_kl_command,    add_convert_command, add_launch_command,
};

int report(int status, const std::string& message) {
  fmt::print(stderr, "glimt: {}\n", message);
  return status;
}

// `glimt` alone and `glimt sing`: the names of the commands are what helps.
int report_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const std::vector<std::string> rest = app.remaining();
  const std::string wrong =
      rest.empty() ? "a command is wanted" : fmt::format("there is no command '{}'", rest.front());
  return report(kUsageStatus, fmt::format("{}; there are {}; see glimt --help", wrong, fmt::join(names, ", ")));
}

int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version print to stdout
  std::string help = "glimt --help";
  for (const CLI::App* command : app.get_subcommands()) help = fmt::format("glimt {} --help", command->get_name());
  return report(kUsageStatus, fmt::format("{}; see {}", error.what(), help));
}

// The commands write with stdio. A reader that went away (`| head`) is no failure worth a message.
int flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  if (errno == EPIPE) return kBrokenPipeStatus;
  return report(kFailureStatus, fmt::format("cannot write the output: {}", std::strerror(errno)));
}

int run(int argc, char** argv) {
  CLI::App app("Runs GLM4-MoE-Lite models (GLM-4.7-Flash): chat, serve, inspect, measure.", "glimt");
  app.set_version_flag("--version", "glimt " GLIMT_VERSION);
  app.require_subcommand(0, 1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(34);
  for (const auto add_command : kCommands) add_command(app);
  try {
    app.parse(argc, argv);
    return app.get_subcommands().empty() ? report_commands(app) : flush_output();
  } catch (const CLI::RuntimeError& status) {
    const int flushed = flush_output();
    return flushed == 0 ? status.get_exit_code() : flushed;
  } catch (const CLI::ParseError& error) {
    const bool is_option = !app.remaining().empty() && app.remaining().front().starts_with('-');
    const bool no_command = app.get_subcommands().empty() && error.get_exit_code() != 0 && !is_option;
    return no_command ? report_commands(app) : report_usage(app, error);
  } catch (const Error& error) {
    std::fflush(stdout);
    return report(exit_code(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return report(kFailureStatus, "out of memory");
  } catch (const std::exception& error) {
    return report(kFailureStatus, fmt::format("internal error: {}", error.what()));
  }
}

}  // namespace
}  // namespace glimt

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write to a closed pipe fails, and the command can stop in order
  std::setlocale(LC_CTYPE, "");
  try {
    return glimt::run(argc, argv);
  } catch (...) {  // even saying what is wrong failed
    return glimt::kFailureStatus;
  }
}

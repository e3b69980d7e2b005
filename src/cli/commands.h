// The commands of the program, one cmd_NAME.cpp each. main.cpp has the table of them.
#pragma once

#include <CLI/CLI.hpp>

namespace glimt {

// Each adds its subcommand with all options; the subcommand's callback does the work after everything is parsed. Errors
// are thrown as Error: main() prints one line and exits with exit_code(kind). A command that has said everything and
// only has to end with a status, e.g. a comparison that failed, throws CLI::RuntimeError(status).
void add_run_command(CLI::App& app);
void add_serve_command(CLI::App& app);
void add_show_command(CLI::App& app);
void add_pull_command(CLI::App& app);
void add_list_command(CLI::App& app);
void add_rm_command(CLI::App& app);
void add_cp_command(CLI::App& app);
void add_verify_command(CLI::App& app);
void add_du_command(CLI::App& app);
void add_convert_command(CLI::App& app);
void add_prompt_command(CLI::App& app);
void add_tokenize_command(CLI::App& app);
void add_parse_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_perplexity_command(CLI::App& app);
void add_kl_command(CLI::App& app);
void add_launch_command(CLI::App& app);

}  // namespace glimt

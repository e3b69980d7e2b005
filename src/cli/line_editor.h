// One line from the terminal, with editing and a history that outlives the program (libedit).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace glimt {

class LineEditor {
 public:
  enum class Outcome { line, interrupted, end };

  // The history is read from and written to `history_file`; empty: not kept. A file that cannot be read or written is
  // no error. REQUIRES: catch_interrupts() was called; stdin and stdout are a terminal.
  explicit LineEditor(std::filesystem::path history_file);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Shows `prompt` and reads one line without its newline. interrupted: Ctrl-C, which drops the line; end: Ctrl-D on an
  // empty line, or the terminal is gone.
  Outcome read(const std::string& prompt, std::string& line);

  // Puts a line into the history; empty ones and repetitions of the last are left out.
  void remember(const std::string& line);

 private:
  struct State;
  State* state_;  // libedit's handles, which its callbacks need too; owned
};

// $XDG_STATE_HOME/glimt/history, or ~/.local/state/glimt/history; empty if there is no home.
std::filesystem::path history_path();

}  // namespace glimt

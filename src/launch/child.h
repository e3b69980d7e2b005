// A process that this one starts, and that does not outlive it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace glimt::launch {

struct HowEnded {
  int code = 0;    // exit status; 0 if a signal ended it
  int signal = 0;  // 0 if it exited

  bool ok() const { return code == 0 && signal == 0; }
  int status() const { return signal != 0 ? 128 + signal : code; }  // as a shell reports it
  std::string words() const;                                        // "exited with status 3"
};

struct Program {
  std::vector<std::string> arguments;    // the first is the program: a path, or a name that PATH knows
  std::vector<std::string> environment;  // all of it, as NAME=VALUE
  std::vector<int> files = {};           // descriptors of this process that it has as well, with the same numbers
};

// Where the standard streams of a child lead.
struct Plumbing {
  enum class Input { inherited, none, piped };
  Input input = Input::none;
  bool piped_output = true;  // else inherited
  bool piped_errors = true;
  bool own_group = true;  // signals of the terminal do not reach it; signal() reaches what it started as well
};

// This process' environment with `changes` (NAME=VALUE; the last of a name counts) in it, and without the variables
// that place a process in a launch.
std::vector<std::string> environment_with(const std::vector<std::string>& changes);

// Owns the process and this side of its pipes. On Linux the process gets SIGKILL when the thread that made the Child
// dies, however it dies. Used by one thread. Not copied or moved.
class Child {
 public:
  // Throws not_found if there is no such program, internal if the system does not start it.
  Child(const Program& program, const Plumbing& plumbing);
  ~Child();  // with SIGKILL if it still runs
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int input() const { return input_; }    // to write to; -1 unless piped or after close_input()
  int output() const { return output_; }  // to read; -1 unless piped or after close_output()
  int errors() const { return errors_; }
  void close_input();
  void close_output();
  void close_errors();

  bool running() const { return !ended_; }
  void signal(int number) const;  // nothing if it has ended

  // How it ended, once it has. Does not wait.
  std::optional<HowEnded> ended();

 private:
  pid_t pid_ = -1;
  bool own_group_;
  int input_ = -1;
  int output_ = -1;
  int errors_ = -1;
  std::optional<HowEnded> ended_;
};

}  // namespace glimt::launch

#include "launch/child.h"

#include "base/error.h"
#include "base/pipe.h"

#include <fcntl.h>
#include <fmt/format.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

extern char** environ;

namespace glimt::launch {
namespace {

constexpr std::array<std::string_view, 3> kPlaces = {"MLX_HOSTFILE", "MLX_RANK", "GLIMT_LAUNCH_TOKEN"};

void close_end(int& fd) {
  if (fd >= 0) ::close(std::exchange(fd, -1));
}

// All descriptors that a start needs. What is not handed to the Child is closed at the end.
struct Ends {
  Pipe input, output, errors;
  Pipe failure;  // tells why the program could not be started; closed by a start that succeeds

  Ends() = default;
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  ~Ends() {
    for (Pipe* pipe : {&input, &output, &errors, &failure}) {
      close_end(pipe->read);
      close_end(pipe->write);
    }
  }
};

std::string path_of(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  while (!folders.empty()) {
    const std::size_t end = std::min(folders.find(':'), folders.size());
    const std::string path = fmt::format("{}/{}", end == 0 ? "." : folders.substr(0, end), program);
    if (::access(path.c_str(), X_OK) == 0) return path;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  fail(ErrorKind::not_found, program, "no program of this name is in PATH");
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// What the new process does before it becomes the program. Between fork() and exec() of a process with threads only
// calls are allowed that a signal handler may make.
struct Start {
  const char* path;
  char* const* arguments;
  char* const* environment;
  const std::vector<int>& files;
  const Plumbing& plumbing;
  const Ends& ends;
  pid_t parent;

  [[noreturn]] void become_the_program() const {
    if (plumbing.own_group) ::setpgid(0, 0);
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it has died meanwhile
#endif
    if (connect_streams()) {
      reset_signals();
      for (const int file : files) ::fcntl(file, F_SETFD, 0);
      ::execve(path, arguments, environment);
    }
    const int reason = errno;
    if (::write(ends.failure.write, &reason, sizeof reason) < 0) ::_exit(126);
    ::_exit(127);
  }

  bool connect_streams() const {
    using Input = Plumbing::Input;
    const int in = plumbing.input == Input::none ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : ends.input.read;
    if (plumbing.input != Input::inherited && ::dup2(in, STDIN_FILENO) < 0) return false;
    if (plumbing.piped_output && ::dup2(ends.output.write, STDOUT_FILENO) < 0) return false;
    return !plumbing.piped_errors || ::dup2(ends.errors.write, STDERR_FILENO) >= 0;
  }

  static void reset_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE}) ::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }
};

class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

// The pipes must not get the numbers of standard streams that this process was started without.
void open_standard_streams() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    ::close(fd);
    return;
  }
}

}  // namespace

std::string HowEnded::words() const {
  if (signal != 0) return fmt::format("was ended by signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("exited with status {}", code);
}

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](std::string_view variable) { return variable.substr(0, variable.find('=')); };
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::find(kPlaces.begin(), kPlaces.end(), name_of(*variable)) == kPlaces.end()) all.emplace_back(*variable);
  }
  for (const std::string& change : changes) {
    std::erase_if(all, [&](const std::string& variable) { return name_of(variable) == name_of(change); });
    all.push_back(change);
  }
  return all;
}

Child::Child(const Program& program, const Plumbing& plumbing) : own_group_(plumbing.own_group) {
  open_standard_streams();
  const std::string path = path_of(program.arguments.front());
  const std::vector<char*> arguments = pointers_to(program.arguments);
  const std::vector<char*> environment = pointers_to(program.environment);
  Ends ends;
  if (plumbing.input == Plumbing::Input::piped) ends.input = open_pipe(PipeMode::blocking);
  if (plumbing.piped_output) ends.output = open_pipe(PipeMode::blocking);
  if (plumbing.piped_errors) ends.errors = open_pipe(PipeMode::blocking);
  ends.failure = open_pipe(PipeMode::blocking);
  const Start start{path.c_str(), arguments.data(), environment.data(), program.files, plumbing, ends, ::getpid()};
  const BlockedSignals blocked;  // until the child has no handlers of this process any more
  pid_ = ::fork();
  if (pid_ == 0) start.become_the_program();
  if (pid_ < 0) fail(ErrorKind::internal, "fork", "{}", std::strerror(errno));
  if (own_group_) ::setpgid(pid_, pid_);  // here as well, so that it holds for the next signal()
  close_end(ends.failure.write);
  int reason = 0;
  if (::read(ends.failure.read, &reason, sizeof reason) == sizeof reason) {
    ::waitpid(pid_, nullptr, 0);
    fail(reason == ENOENT ? ErrorKind::not_found : ErrorKind::internal, path, "cannot be started: {}",
         std::strerror(reason));
  }
  input_ = std::exchange(ends.input.write, -1);
  output_ = std::exchange(ends.output.read, -1);
  errors_ = std::exchange(ends.errors.read, -1);
}

Child::~Child() {
  if (running()) {
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  close_input();
  close_output();
  close_errors();
}

void Child::close_input() { close_end(input_); }
void Child::close_output() { close_end(output_); }
void Child::close_errors() { close_end(errors_); }

void Child::signal(int number) const {
  if (running()) ::kill(own_group_ ? -pid_ : pid_, number);
}

std::optional<HowEnded> Child::ended() {
  int status = 0;
  if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    ended_ = WIFSIGNALED(status) ? HowEnded{0, WTERMSIG(status)} : HowEnded{WEXITSTATUS(status), 0};
  }
  return ended_;
}

}  // namespace glimt::launch

#include "cli/line_editor.h"

#include "base/error.h"
#include "cli/interrupt.h"

#include <histedit.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace glimt {
namespace {

constexpr int kHistoryLines = 1000;
constexpr wchar_t kInterruptKey = 3;  // Ctrl-C, which the terminal turns into SIGINT before it could be typed

// The next byte from the terminal; 0 bytes at its end, -1 for Ctrl-C.
int read_byte(unsigned char& byte) {
  for (;;) {
    pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {interrupt_fd(), POLLIN, 0}};
    if (::poll(wait, 2, -1) < 0 && errno != EINTR) return 0;
    if (interrupted()) return -1;
    if (wait[0].revents == 0) continue;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    return n == 1 ? 1 : 0;
  }
}

// libedit asks for whole characters. Bytes that are not UTF-8 are skipped.
int read_character(EditLine*, wchar_t* character) {
  for (;;) {
    unsigned char byte = 0;
    const int n = read_byte(byte);
    if (n < 0) {
      clear_interrupt();
      *character = kInterruptKey;
      return 1;
    }
    if (n == 0) return 0;
    if (byte < 0x80) {
      *character = byte;
      return 1;
    }
    const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : -1;
    if (more < 0) continue;
    auto value = static_cast<char32_t>(byte & (0x3F >> more));
    bool whole = true;
    for (int i = 0; i < more && whole; ++i) {
      whole = read_byte(byte) == 1 && (byte & 0xC0) == 0x80;
      value = (value << 6) | (byte & 0x3F);
    }
    if (!whole) continue;
    *character = static_cast<wchar_t>(value);
    return 1;
  }
}

}  // namespace

struct LineEditor::State {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::filesystem::path file;
  std::string prompt;
  std::string last;
  bool dropped = false;

  static State& of(EditLine* edit) {
    void* state = nullptr;
    el_get(edit, EL_CLIENTDATA, &state);
    return *static_cast<State*>(state);
  }
  static char* show_prompt(EditLine* edit) { return of(edit).prompt.data(); }
  static unsigned char drop_line(EditLine* edit, int) {
    of(edit).dropped = true;
    return CC_NEWLINE;
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : state_(new State) {
  state_->file = std::move(history_file);
  state_->history = history_init();
  state_->edit = el_init("glimt", stdin, stdout, stderr);
  if (state_->edit == nullptr || state_->history == nullptr)
    fail(ErrorKind::internal, "terminal", "cannot be edited on");
  EditLine* edit = state_->edit;
  HistEvent event;
  history(state_->history, &event, H_SETSIZE, kHistoryLines);
  history(state_->history, &event, H_SETUNIQUE, 1);
  if (!state_->file.empty()) history(state_->history, &event, H_LOAD, state_->file.c_str());
  el_set(edit, EL_CLIENTDATA, state_);
  el_set(edit, EL_PROMPT, State::show_prompt);
  el_set(edit, EL_EDITOR, "emacs");
  el_source(edit, nullptr);  // the user's ~/.editrc
  el_set(edit, EL_HIST, history, state_->history);
  el_set(edit, EL_GETCFN, read_character);
  el_set(edit, EL_ADDFN, "drop-line", "Drop the line", State::drop_line);
  el_set(edit, EL_BIND, "^C", "drop-line", nullptr);
  el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

LineEditor::~LineEditor() {
  el_end(state_->edit);
  history_end(state_->history);
  delete state_;
}

LineEditor::Outcome LineEditor::read(const std::string& prompt, std::string& line) {
  state_->prompt = prompt;
  state_->dropped = false;
  int length = 0;
  const char* text = el_gets(state_->edit, &length);
  if (state_->dropped) {
    fmt::print("^C\n");
    return Outcome::interrupted;
  }
  if (text == nullptr || length <= 0) return Outcome::end;
  line.assign(text, static_cast<std::size_t>(length));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Outcome::line;
}

void LineEditor::remember(const std::string& line) {
  if (line.empty() || line == state_->last) return;
  state_->last = line;
  HistEvent event;
  history(state_->history, &event, H_ENTER, line.c_str());
  if (state_->file.empty()) return;
  // Saved at once: the program may end in many ways. What a user asked is private.
  std::error_code ignored;
  std::filesystem::create_directories(state_->file.parent_path(), ignored);
  const mode_t mask = ::umask(077);
  history(state_->history, &event, H_SAVE, state_->file.c_str());
  ::umask(mask);
}

std::filesystem::path history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::filesystem::path(state) / "glimt" / "history";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  return std::filesystem::path(home) / ".local" / "state" / "glimt" / "history";
}

}  // namespace glimt

// Preloaded into glimt by test_faults.py: counts what the process changes below a folder, and lets the n-th change fail or
// kills the process at it. Calls from all threads are one sequence.
//
//   GLIMT_FAULT_UNDER  the folder
//   GLIMT_FAULT_LOG    a file that gets a line for each change: CALL PATH
//   GLIMT_FAULT        "kill N"     SIGKILL before the N-th change
//                      "half N"     SIGKILL after half the bytes of the N-th, or after it if it is no write
//                      "once E N"   the N-th fails with errno E; of a write, after half its bytes in a call before
//                      "on E N"     all from the N-th on fail with E that a disk may refuse; removing still works
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

struct Plan {
  std::string under;
  int log = -1;
  std::string action;
  int error = 0;
  long at = 0;
};

Plan read_plan() {
  Plan plan;
  if (const char* under = std::getenv("GLIMT_FAULT_UNDER")) plan.under = under;
  if (const char* log = std::getenv("GLIMT_FAULT_LOG")) {
    plan.log = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
  char action[8] = {};
  if (const char* fault = std::getenv("GLIMT_FAULT")) {
    if (std::sscanf(fault, "%7s %d %ld", action, &plan.error, &plan.at) == 2) plan.at = plan.error;
  }
  plan.action = action;
  return plan;
}

const Plan& plan() {
  static const Plan plan = read_plan();
  return plan;
}

std::string path_of(int fd) {
  char link[64], path[PATH_MAX] = {};
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return ::readlink(link, path, sizeof path - 1) > 0 ? path : "";
}

std::string path_of(int folder, const char* path) {
  if (path[0] == '/') return path;
  char here[PATH_MAX] = {};
  const std::string at = folder != AT_FDCWD ? path_of(folder) : ::getcwd(here, sizeof here) != nullptr ? here : "";
  return at + "/" + path;
}

enum class Fate { go, fail, half };

// What is to become of a change. `takes_room`: a full disk may refuse it.
Fate fate_of(const char* call, const std::string& path, bool takes_room) {
  static std::atomic<long> count = 0, halved = 0;
  const Plan& p = plan();
  if (p.under.empty() || path.rfind(p.under, 0) != 0) return Fate::go;
  const long number = ++count;
  if (p.log >= 0) {
    const std::string line = std::string(call) + " " + path + "\n";
    static_cast<void>(!::syscall(SYS_write, p.log, line.data(), line.size()));
  }
  if (p.at == 0 || number < p.at) return Fate::go;
  if (p.action == "kill" && number == p.at) ::kill(::getpid(), SIGKILL);
  if (p.action == "half" && number == p.at) return Fate::half;
  if (p.action == "once" && number == p.at) {
    errno = p.error;
    return Fate::fail;
  }
  if (p.action == "on" && takes_room) {
    // A disk takes what it still has room for, then nothing.
    if (halved++ == 0 && std::strstr(call, "write") != nullptr) return Fate::half;
    errno = p.error;
    return Fate::fail;
  }
  return Fate::go;
}

void die_if_killing() {
  if (plan().action == "half") ::kill(::getpid(), SIGKILL);
}

template <typename Function>
Function* next(Function*, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

#define NEXT(name) static const auto real = next(&::name, #name)

// Of calls that are no writes.
template <typename Call>
int change(const char* name, const std::string& path, bool takes_room, const Call& call) {
  const Fate fate = fate_of(name, path, takes_room);
  if (fate == Fate::fail) return -1;
  const int result = call();
  if (fate == Fate::half) die_if_killing();
  return result;
}

template <typename Call>
ssize_t write_some(const char* name, int fd, size_t size, const Call& call) {
  const Fate fate = fate_of(name, path_of(fd), true);
  if (fate == Fate::fail) return -1;
  const ssize_t result = call(fate == Fate::half ? (size + 1) / 2 : size);
  if (fate == Fate::half) die_if_killing();
  return result;
}

mode_t mode_of(int flags, va_list list) { return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0; }

int open_file(int folder, const char* path, int flags, mode_t mode) {
  const auto call = [&] { return static_cast<int>(::syscall(SYS_openat, folder, path, flags, mode)); };
  return (flags & O_CREAT) != 0 ? change("open", path_of(folder, path), true, call) : call();
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_file(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = mode_of(flags, list);
  va_end(list);
  return open_file(folder, path, flags, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  NEXT(write);
  return write_some("write", fd, size, [&](size_t n) { return real(fd, data, n); });
}

ssize_t writev(int fd, const iovec* pieces, int count) {
  NEXT(writev);
  return write_some("writev", fd, 1, [&](size_t) { return real(fd, pieces, count); });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  NEXT(pwrite);
  return write_some("pwrite", fd, size, [&](size_t n) { return real(fd, data, n, at); });
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }

int fsync(int fd) {
  NEXT(fsync);
  return change("fsync", path_of(fd), true, [&] { return real(fd); });
}

int fdatasync(int fd) {
  NEXT(fdatasync);
  return change("fdatasync", path_of(fd), true, [&] { return real(fd); });
}

int ftruncate(int fd, off_t size) noexcept {
  NEXT(ftruncate);
  return change("ftruncate", path_of(fd), size > 0, [&] { return real(fd, size); });
}

int ftruncate64(int fd, off64_t size) noexcept { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t offset, off_t size) {
  NEXT(fallocate);
  return change("fallocate", path_of(fd), true, [&] { return real(fd, mode, offset, size); });
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size) { return fallocate(fd, mode, offset, size); }

int rename(const char* from, const char* to) noexcept {
  NEXT(rename);
  return change("rename", path_of(AT_FDCWD, to), true, [&] { return real(from, to); });
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  NEXT(renameat2);
  return change("renameat2", path_of(to_folder, to), true,
                [&] { return real(from_folder, from, to_folder, to, flags); });
}

int link(const char* from, const char* to) noexcept {
  NEXT(link);
  return change("link", path_of(AT_FDCWD, to), true, [&] { return real(from, to); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  NEXT(mkdir);
  return change("mkdir", path_of(AT_FDCWD, path), true, [&] { return real(path, mode); });
}

int unlink(const char* path) noexcept {
  NEXT(unlink);
  return change("unlink", path_of(AT_FDCWD, path), false, [&] { return real(path); });
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  NEXT(unlinkat);
  return change("unlinkat", path_of(folder, path), false, [&] { return real(folder, path, flags); });
}

int remove(const char* path) noexcept {
  NEXT(remove);
  return change("remove", path_of(AT_FDCWD, path), false, [&] { return real(path); });
}

int rmdir(const char* path) noexcept {
  NEXT(rmdir);
  return change("rmdir", path_of(AT_FDCWD, path), false, [&] { return real(path); });
}

}  // extern "C"

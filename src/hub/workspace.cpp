#include "hub/workspace.h"

#include "base/error.h"
#include "base/file.h"
#include "hub/digest.h"
#include "hub/manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = ".unfinished";
constexpr const char* kRemoved = ".removed";
constexpr const char* kMade = "model";
constexpr char kSeparator = '~';
constexpr std::size_t kFields = 5;  // kind, key, host, pid, start
constexpr long kSilentSeconds = 60;

std::string first_line(const fs::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// This machine and its numbering of processes: containers of one machine number theirs differently.
const std::string& host() {
  static const std::string id = [] {
    char name[256] = {};
    static_cast<void>(::gethostname(name, sizeof name - 1));
    std::error_code ignored;
    const fs::path numbering = fs::read_symlink("/proc/self/ns/pid", ignored);
    return sha256_of(fmt::format("{}\n{}\n{}", name, first_line("/etc/machine-id"), numbering.string())).substr(0, 16);
  }();
  return id;
}

// When a process began, in the system's own units; empty if there is none of this number.
std::string start_of(long pid) {
#ifdef __APPLE__
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, static_cast<int>(pid)};
  kinfo_proc process{};
  std::size_t bytes = sizeof process;
  if (::sysctl(name, 4, &process, &bytes, nullptr, 0) != 0 || bytes == 0) return "";
  const timeval& start = process.kp_proc.p_starttime;
  return fmt::format("{}-{}", start.tv_sec, start.tv_usec);
#else
  const std::string stat = first_line(fmt::format("/proc/{}/stat", pid));
  const std::size_t behind_name = stat.rfind(')');
  if (behind_name == std::string::npos) return "";
  constexpr int kFieldsBetween = 19;  // from "state" to "starttime"
  std::size_t at = behind_name + 2;
  for (int i = 0; i < kFieldsBetween && at != std::string::npos; ++i) {
    at = stat.find(' ', at);
    if (at != std::string::npos) ++at;
  }
  return at == std::string::npos ? "" : stat.substr(at, stat.find(' ', at) - at);
#endif
}

// A sequence number, as one process may make several for the same key.
std::string own_name(std::string_view kind, std::string_view key) {
  const long pid = ::getpid();
  return fmt::format("{}{}{}{}{}{}{}{}{}.{:08x}", kind, kSeparator, key, kSeparator, host(), kSeparator, pid,
                     kSeparator, start_of(pid), std::random_device()());
}

std::vector<std::string> split(const std::string& name) {
  std::vector<std::string> fields;
  std::size_t from = 0;
  for (std::size_t at = name.find(kSeparator); at != std::string::npos; at = name.find(kSeparator, from)) {
    fields.push_back(name.substr(from, at - from));
    from = at + 1;
  }
  fields.push_back(name.substr(from));
  return fields;
}

timespec changed(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? modification_time(info) : timespec{};
}

// By the clock of the file system, which may be another machine's.
bool was_silent(const fs::path& folder) {
  const fs::path now = folder.parent_path() / fmt::format(".now.{:08x}", std::random_device()());
  const int fd = ::open(now.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  ::close(fd);
  const bool silent = changed(now).tv_sec - changed(folder).tv_sec > kSilentSeconds;
  ::unlink(now.c_str());
  return silent;
}

// The names of the folders that this process works in now.
struct Claims {
  std::mutex mutex;
  std::set<std::string> names;
};

Claims& claims() {
  static auto* all = new Claims;  // outlives whatever a thread still works in at the end of the process
  return *all;
}

bool is_claimed(const fs::path& folder) {
  const std::lock_guard lock(claims().mutex);
  return claims().names.contains(folder.filename().string());
}

bool is_dead(const fs::path& folder, const std::vector<std::string>& fields) {
  if (fields[2] != host()) return was_silent(folder);
  long pid = 0;
  std::from_chars(fields[3].data(), fields[3].data() + fields[3].size(), pid);
  if (pid == ::getpid()) return !is_claimed(folder);
  const std::string start = start_of(pid);
  return pid <= 0 || start.empty() || fields[4].substr(0, fields[4].find('.')) != start;
}

// Of what is being removed: 16 hexadecimal digits.
std::string removed_name() { return fmt::format("{:08x}{:08x}", std::random_device()(), ::getpid()); }

bool is_removed_name(const std::string& name) {
  return name.size() == 16 && name.find_first_not_of("0123456789abcdef") == name.npos;
}

[[noreturn]] void fail_to(const char* what, const fs::path& path) {
  fail(ErrorKind::bad_file, path.string(), "cannot {}: {}", what, std::strerror(errno));
}

// remove_all ends at the first file that cannot be removed. The others are removed all the same, and that one is tried once
// more.
void remove_tree(const fs::path& folder) {
  std::error_code error, ignored;
  fs::remove_all(folder, error);
  if (!error) return;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    std::error_code stays;
    fs::remove_all(it->path(), stays);
  }
  fs::remove_all(folder, error);
  if (error) fail(ErrorKind::bad_file, folder.string(), "cannot remove: {}", error.message());
}

// False, with errno, if the two did not change places: EINVAL where that cannot be done at all.
bool exchange(const fs::path& a, const fs::path& b) {
#ifdef RENAME_EXCHANGE
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#elif defined(__APPLE__)
  return ::renamex_np(a.c_str(), b.c_str(), RENAME_SWAP) == 0;
#else
  return static_cast<void>(a), static_cast<void>(b), errno = EINVAL, false;
#endif
}

// For a file system that cannot exchange two folders: readers find nothing for a moment.
void put_aside_and_replace(const fs::path& made, const fs::path& target, const fs::path& aside) {
  if (::rename(target.c_str(), aside.c_str()) != 0) fail_to("put the finished folder in place", target);
  if (::rename(made.c_str(), target.c_str()) == 0) return;
  const int error = errno;
  ::rename(aside.c_str(), target.c_str());
  errno = error;
  fail_to("put the finished folder in place", target);
}

// A folder as nobody looks for it: its config.json is what makes it a model, its manifest what lets others replace it.
void remove_in_place(const fs::path& folder) {
  std::error_code ignored;
  fs::remove(folder / "config.json", ignored);
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    std::error_code stays;
    if (it->path().filename() != kManifestFile) fs::remove_all(it->path(), stays);
  }
  remove_tree(folder);
}

}  // namespace

struct Workspace::Claim {
  explicit Claim(const fs::path& folder) : name(folder.filename().string()) {
    const std::lock_guard lock(claims().mutex);
    claims().names.insert(name);
  }
  ~Claim() {
    const std::lock_guard lock(claims().mutex);
    claims().names.erase(name);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  const std::string name;
};

Workspace Workspace::make(const fs::path& store, std::string_view kind, std::string_view key) {
  make_folder(store / kUnfinished);
  fs::path folder = store / kUnfinished / own_name(kind, key);
  auto claim = std::make_shared<const Claim>(folder);
  if (::mkdir(folder.c_str(), 0777) != 0) fail_to("make the folder", folder);
  return {store, std::move(folder), std::move(claim)};
}

Workspace Workspace::take_over_or_make(const fs::path& store, std::string_view kind, std::string_view key) {
  for (const Unfinished& one : list_unfinished(store)) {
    if (one.kind != kind || one.key != key || !one.is_dead) continue;
    fs::path folder = store / kUnfinished / own_name(kind, key);
    auto claim = std::make_shared<const Claim>(folder);
    if (::rename(one.path.c_str(), folder.c_str()) != 0) continue;  // another owner was first
    Workspace space(store, std::move(folder), std::move(claim));
    space.keep();
    return space;
  }
  return make(store, kind, key);
}

fs::path Workspace::made() const { return path_ / kMade; }

bool Workspace::keep() const { return ::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0) == 0; }

void Workspace::publish(const fs::path& target) {
  make_folder(target.parent_path());
  sync_folder(made());
  if (::rename(made().c_str(), target.c_str()) != 0) {
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) fail_to("put the finished folder in place", target);
    if (!exchange(made(), target)) {
      if (errno != EINVAL && errno != ENOSYS) fail_to("put the finished folder in place", target);
      put_aside_and_replace(made(), target, path_ / "replaced");
    }
  }
  end(target);
}

void Workspace::end(const fs::path& published) {
  try {
    sync_folder(published.parent_path());
  } catch (...) {
    discard();
    throw;
  }
  discard();
}

void Workspace::discard() {
  try {
    remove_from_store(store_, path_);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
}

std::vector<Unfinished> list_unfinished(const fs::path& store) {
  std::vector<Unfinished> found;
  std::error_code error;
  for (fs::directory_iterator it(store / kUnfinished, error), end; !error && it != end; it.increment(error)) {
    const std::vector<std::string> fields = split(it->path().filename().string());
    if (fields.size() != kFields) continue;
    std::error_code ignored;
    const bool has_result = fs::exists(it->path() / kMade, ignored);
    found.push_back({it->path(), fields[0], fields[1], is_dead(it->path(), fields), has_result});
  }
  std::sort(found.begin(), found.end(), [](const Unfinished& a, const Unfinished& b) { return a.path < b.path; });
  return found;
}

void remove_from_store(const fs::path& store, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(store / kRemoved, error);
  const fs::path removed = store / kRemoved / removed_name();
  // A disk that is full may have no room for another name, and that is when things are removed.
  if (error || ::rename(folder.c_str(), removed.c_str()) != 0) return remove_in_place(folder);
  remove_tree(removed);
  sync_folder(folder.parent_path());
}

void sweep_store(const fs::path& store, std::string_view kind) {
  std::error_code ignored;
  if (fs::exists(store / kRemoved, ignored)) fs::remove_all(store / kRemoved, ignored);
  for (const Unfinished& one : list_unfinished(store)) {
    if (one.kind == kind && one.is_dead) fs::remove_all(one.path, ignored);
  }
}

void tidy_place(const fs::path& place) {
  std::error_code error;
  for (fs::directory_iterator it(place / kRemoved, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (is_removed_name(it->path().filename().string())) fs::remove_all(it->path(), ignored);
  }
  ::rmdir((place / kRemoved).c_str());  // both fail while others use them
  ::rmdir((place / kUnfinished).c_str());
}

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  const bool failed = ::fsync(fd) != 0 && errno == EIO;
  ::close(fd);
  if (failed) fail(ErrorKind::bad_file, folder.string(), "cannot write the folder: {}", std::strerror(EIO));
}

}  // namespace glimt

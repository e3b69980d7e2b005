#include "hub/store_changes.h"

#include "base/error.h"
#include "base/file.h"
#include "hub/clone_or_copy.h"
#include "hub/digest.h"
#include "hub/model_name.h"
#include "hub/workspace.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCopy = "copy";

ModelName name_or_fail(const std::string& text) {
  if (auto name = parse_model_name(text)) return *name;
  fail(ErrorKind::invalid_request, text,
       "a name is wanted: letters, digits, '.', '_' and '-', at most one '/', and "
       "perhaps @revision or :tag");
}

// Regular files below a folder, also through links; not those in folders that begin with a dot.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored) && it->path().filename().string().starts_with('.')) it.disable_recursion_pending();
    if (it->is_regular_file(ignored)) files.push_back(it->path());
  }
  if (error) fail(ErrorKind::bad_file, folder.string(), "cannot read the folder: {}", error.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::uint64_t bytes_below(const fs::path& folder) { return Usage().add(folder); }

std::string describe(const FileRecord& file, const std::string& got) {
  return file.sha256.empty() ? fmt::format("git's id must be {}, got {}", file.blob, got)
                             : fmt::format("sha256 must be {}, got {}", file.sha256, got);
}

// What is wrong with one file; empty if nothing.
std::string compare(const fs::path& path, const FileRecord& file, const std::function<void(std::size_t)>& read) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return "is missing";
  if (size != file.size) return fmt::format("must have {} bytes, has {}", file.size, size);
  const DigestKind kind = file.sha256.empty() ? DigestKind::git_blob : DigestKind::sha256;
  try {
    const std::string got = digest_of_file(kind, path, read);
    return got == (file.sha256.empty() ? file.blob : file.sha256) ? "" : describe(file, got);
  } catch (const Error& unreadable) {
    if (unreadable.kind() == ErrorKind::cancelled) throw;
    return unreadable.what();
  }
}

std::uint64_t remove_unfinished(const fs::path& store, const std::string& key, const std::string& name) {
  std::uint64_t bytes = 0;
  for (const Unfinished& one : list_unfinished(store)) {
    if (one.key != key) continue;
    if (!one.is_dead) fail(ErrorKind::invalid_request, name, "is being pulled; stop that first");
    bytes += bytes_below(one.path);
    remove_from_store(store, one.path);
  }
  return bytes;
}

}  // namespace

std::uint64_t remove_model(const std::string& text, const fs::path& store, const std::vector<fs::path>& places) {
  sweep_store(store, kCopy);
  const ModelName name = name_or_fail(text);
  const fs::path folder = model_folder(store, name);
  const std::uint64_t unfinished = remove_unfinished(store, unfinished_key(name), text);
  std::error_code ignored;
  // A manifest alone is what a removal left that a kill or a full disk stopped.
  if (fs::is_regular_file(folder / "config.json", ignored) || fs::is_regular_file(folder / kManifestFile, ignored)) {
    const std::uint64_t bytes = bytes_below(folder);
    remove_from_store(store, folder);
    if (!name.owner.empty()) ::rmdir(folder.parent_path().c_str());  // fails while it has others
    return bytes + unfinished;
  }
  if (unfinished > 0) return unfinished;
  fail(ErrorKind::invalid_request, text, "is not glimt's to remove: it is in {}", resolve_model(text, places).string());
}

void copy_model(const std::string& source, const std::string& target, const fs::path& store,
                const std::vector<fs::path>& places) {
  sweep_store(store, kCopy);
  const fs::path from = resolve_model(source, places);
  const ModelName name = name_or_fail(target);
  const fs::path to = model_folder(store, name);
  std::error_code ignored;
  if (fs::exists(to, ignored)) fail(ErrorKind::invalid_request, target, "is there already, in {}", to.string());
  Workspace space = Workspace::make(store, kCopy, unfinished_key(name));
  try {
    for (const fs::path& file : files_below(from)) {
      const fs::path relative = file.lexically_relative(from);
      if (relative == kManifestFile) continue;
      make_folder((space.made() / relative).parent_path());
      clone_or_copy(file, space.made() / relative);
    }
    if (const auto contents = known_contents(from)) write_manifest(space.made(), *contents);
    space.publish(to);
  } catch (...) {
    space.discard();
    throw;
  }
}

std::vector<Difference> verify_model(const fs::path& folder,
                                     const std::function<void(std::uint64_t, std::uint64_t)>& read) {
  const std::optional<Manifest> contents = known_contents(folder);
  if (!contents) {
    fail(ErrorKind::not_found, folder.string(),
         "nothing says what its files should be: it has no manifest, as it was "
         "not pulled by glimt");
  }
  std::uint64_t total = 0, done = 0;
  for (const FileRecord& file : contents->files) total += file.size;
  std::vector<Difference> differences;
  for (const FileRecord& file : contents->files) {
    const auto count = [&](std::size_t bytes) {
      done += bytes;
      if (read) read(done, total);
    };
    if (std::string wrong = compare(folder / file.path, file, count); !wrong.empty()) {
      differences.push_back({file.path, std::move(wrong)});
    }
  }
  return differences;
}

std::uint64_t Usage::add(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const fs::path& file : files_below(folder)) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) continue;
    const std::pair<std::uint64_t, std::uint64_t> id(info.st_dev, info.st_ino);
    const auto at = std::lower_bound(seen_.begin(), seen_.end(), id);
    if (at != seen_.end() && *at == id) continue;
    seen_.insert(at, id);
    bytes += static_cast<std::uint64_t>(info.st_size);
  }
  total_ += bytes;
  return bytes;
}

}  // namespace glimt

#include "hub/pull.h"

#include "base/file.h"
#include "base/file_kind.h"
#include "base/json.h"
#include "hub/clone_or_copy.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kKind = "pull";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::uint64_t kSpareBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kMostSmallBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxIndexBytes = std::size_t{256} << 20;
constexpr auto kKeepPause = 5s;

std::string hash_of(const FileRecord& file) { return file.sha256.empty() ? file.blob : file.sha256; }

std::string digest_of(const FileRecord& file) { return (file.sha256.empty() ? "sha1:" : "sha256:") + hash_of(file); }

const FileRecord* find(const std::vector<FileRecord>& files, const std::string& path) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const FileRecord& f) { return f.path == path; });
  return found == files.end() ? nullptr : &*found;
}

// The files that an index names.
std::set<std::string> indexed(const fs::path& index) {
  std::set<std::string> files;
  const json::value value = parse_json_file(index, kMaxIndexBytes);
  if (!value.is_object()) fail(ErrorKind::bad_file, kIndex, "must hold a JSON object");
  for (const auto& [tensor, file] : JsonFields(value.get_object(), kIndex).object("weight_map")) {
    if (!file.is_string()) fail(ErrorKind::bad_file, kIndex, "tensor '{}' must be in a file", std::string(tensor));
    files.emplace(file.get_string());
  }
  return files;
}

bool is_model_file(const FileRecord& file) { return is_weights(file.path) && file.path.starts_with("model"); }
bool is_other_weights(const FileRecord& file) { return is_weights(file.path) && !file.path.starts_with("adapter"); }

[[noreturn]] void fail_without_weights(const Listing& listing, const std::string& name) {
  for (const FileRecord& file : listing.files) {
    if (file.path.ends_with(".gguf")) {
      fail(ErrorKind::unsupported, name, "{} is {}", file.path, *foreign_kind("GGUF"));
    }
  }
  fail(ErrorKind::unsupported, name, "the repository holds no weights as .safetensors");
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// A pull that was killed right behind its last step has left its folder, perhaps with the commit that it replaced.
void remove_leftovers(const fs::path& store, const std::string& key) {
  for (const Unfinished& one : list_unfinished(store)) {
    if (one.kind == kKind && one.key == key && one.is_dead) remove_quietly(one.path);
  }
}

}  // namespace

Pull::Pull(const std::string& name, PullOptions options)
    : options_(std::move(options)),
      repository_(hub_model(name), options_.hub),
      target_(model_folder(options_.store, repository_.model().name)) {}

fs::path Pull::run(const Tell& tell) {
  const std::string name = repository_.model().name.text();
  if (options_.hub.offline) fail(ErrorKind::invalid_request, name, "cannot be pulled while HF_HUB_OFFLINE is set");
  tell({.status = "pulling manifest"});
  Transfer transfer(repository_, options_.hub, patience_, cancelled_);
  const Listing listing =
      repository_.list([&](const std::string& url, std::string& content) { return transfer.fetch(url, content); });
  if (is_here(listing)) {
    remove_leftovers(options_.store, unfinished_key(repository_.model().name));
    tell({.status = "success"});
    return target_;
  }
  check_target();
  const std::vector<FileRecord> small = small_files(listing);
  Workspace space = Workspace::take_over_or_make(options_.store, kKind, unfinished_key(repository_.model().name));
  recover(space);
  download(listing, small, space, tell);
  check_small_files(small, space);
  std::vector<FileRecord> all = weights(listing, space);
  all.insert(all.begin(), small.begin(), small.end());
  download(listing, all, space, tell);
  tell({.status = "verifying sha256 digest"});  // which was done as the bytes came
  tell({.status = "writing manifest"});
  fs::path folder = publish(listing, all, space);
  tell({.status = "success"});
  return folder;
}

bool Pull::is_here(const Listing& listing) const {
  std::error_code ignored;
  if (!fs::is_regular_file(target_ / "config.json", ignored)) return false;
  try {
    const std::optional<Manifest> manifest = read_manifest(target_);
    return manifest && manifest->source == repository_.endpoint() &&
           manifest->repository == repository_.model().name.repository() && is_whole(target_, *manifest) &&
           (!listing.commit.empty() && manifest->commit == listing.commit);
  } catch (const Error&) {
    return false;  // a manifest that cannot be read is replaced
  }
}

// What somebody has put there by hand, or has made or copied to this name, is not replaced.
void Pull::check_target() const {
  std::error_code ignored;
  if (!fs::exists(target_, ignored)) return;
  if (!fs::exists(target_ / kManifestFile, ignored)) {
    fail(ErrorKind::invalid_request, target_.string(), "is there and was not pulled by glimt: move it away first");
  }
  std::optional<Manifest> manifest;
  try {
    manifest = read_manifest(target_);
  } catch (const Error&) {
    return;  // a manifest that cannot be read is replaced
  }
  const std::string name = repository_.model().name.text();
  const bool pulled = manifest->source.starts_with("http");  // a hub's address
  if (pulled && manifest->repository == repository_.model().name.repository()) return;
  fail(
      ErrorKind::invalid_request, name,
      "is the name of a model that was made here from {}, which a pull would replace; `glimt cp {} NEW-NAME` keeps it, "
      "`glimt rm {}` makes room",
      manifest->repository.empty() ? "another folder" : manifest->repository, name, name);
}

std::vector<FileRecord> Pull::small_files(const Listing& listing) const {
  std::vector<FileRecord> files;
  std::uint64_t bytes = 0;
  for (const FileRecord& file : listing.files) {
    if (!is_small_part(file.path)) continue;
    files.push_back(file);
    bytes += file.size;
  }
  const std::string name = repository_.model().name.text();
  if (find(files, "config.json") == nullptr) {
    fail(ErrorKind::unsupported, name, "the repository holds no config.json, so it is no model");
  }
  if (bytes > kMostSmallBytes) fail(ErrorKind::unsupported, name, "{} bytes of JSON are too many", bytes);
  const bool any = std::any_of(listing.files.begin(), listing.files.end(), is_other_weights);
  if (!any) fail_without_weights(listing, name);
  return files;
}

// Those that the index names; without one, model*.safetensors, or else all but adapters.
std::vector<FileRecord> Pull::weights(const Listing& listing, const Workspace& space) const {
  std::vector<FileRecord> files;
  if (const FileRecord* index = find(listing.files, kIndex)) {
    for (const std::string& path : indexed(space.path() / hash_of(*index))) {
      const FileRecord* file = find(listing.files, path);
      if (file == nullptr || !is_weights(path)) {
        fail(ErrorKind::bad_file, kIndex, "names '{}', which the repository does not hold", path.substr(0, 300));
      }
      files.push_back(*file);
    }
    return files;
  }
  std::copy_if(listing.files.begin(), listing.files.end(), std::back_inserter(files), is_model_file);
  if (files.empty()) {
    std::copy_if(listing.files.begin(), listing.files.end(), std::back_inserter(files), is_other_weights);
  }
  return files;
}

// A pull that was killed while it put the model together has some files in their places already.
void Pull::recover(const Workspace& space) const {
  std::optional<Manifest> manifest;
  try {
    manifest = read_manifest(space.made());
  } catch (const Error&) {
    manifest.reset();
  }
  if (manifest) {
    for (const FileRecord& file : manifest->files) {
      std::error_code error;
      if (fs::file_size(space.made() / file.path, error) == file.size && !error) {
        fs::rename(space.made() / file.path, space.path() / hash_of(file), error);
      }
    }
  }
  remove_quietly(space.made());
  remove_quietly(space.path() / "check");
}

// What an earlier commit of the model has already.
void Pull::reuse(const std::vector<FileRecord>& files, const Workspace& space) const {
  std::optional<Manifest> old;
  try {
    old = read_manifest(target_);
  } catch (const Error&) {
    return;
  }
  std::map<std::string, FileRecord> by_hash;
  if (old) {
    for (const FileRecord& file : old->files) by_hash.emplace(hash_of(file), file);
  }
  for (const FileRecord& file : files) {
    const auto found = by_hash.find(hash_of(file));
    const fs::path to = space.path() / hash_of(file);
    std::error_code error;
    if (found == by_hash.end() || fs::exists(to, error)) continue;
    const fs::path from = target_ / found->second.path;
    if (fs::file_size(from, error) == file.size && !error) clone_or_copy(from, to);
  }
}

void Pull::check_small_files(const std::vector<FileRecord>& files, Workspace& space) const {
  if (!options_.check) return;
  const fs::path folder = space.path() / "check";
  make_folder(folder);
  for (const FileRecord& file : files) clone_or_copy(space.path() / hash_of(file), folder / file.path);
  try {
    options_.check(folder);
  } catch (...) {
    space.discard();  // the next try would end here, too
    throw;
  }
  remove_quietly(folder);
}

void Pull::check_space(std::uint64_t missing) const {
  if (missing == 0) return;
  const std::optional<std::uint64_t> free = free_disk_bytes(options_.store);
  if (!free || *free >= missing + kSpareBytes) return;
  fail(ErrorKind::out_of_memory, options_.store.string(), "{:.2f} GB are still to come, {:.2f} GB of the disk are free",
       static_cast<double>(missing) / 1e9, static_cast<double>(*free) / 1e9);
}

void Pull::download(const Listing& listing, const std::vector<FileRecord>& files, const Workspace& space,
                    const Tell& tell) {
  reuse(files, space);
  Downloader downloader(repository_, listing, options_.hub, patience_, space.path(), cancelled_);
  std::set<std::string> hashes;  // files of one content are one
  for (const FileRecord& file : files) {
    if (hashes.insert(hash_of(file)).second) downloader.add(file);
  }
  check_space(downloader.missing());
  auto kept = std::chrono::steady_clock::now();
  downloader.run(options_.connections, [&](const std::vector<Downloader::Progress>& progress) {
    tell_progress(progress, tell);
    if (std::chrono::steady_clock::now() - kept < kKeepPause) return;
    kept = std::chrono::steady_clock::now();
    if (!space.keep()) fail(ErrorKind::overloaded, space.path().string(), "another process has taken this folder");
  });
}

void Pull::tell_progress(const std::vector<Downloader::Progress>& progress, const Tell& tell) {
  PullEvent all{.status = "pulling"};
  for (const auto& one : progress) {
    all.all_total += one.file.size;
    all.all_completed += one.present;
  }
  for (const auto& one : progress) {
    const auto [known, fresh] = told_.try_emplace(one.file.path, 0);
    const bool news = known->second != one.present || (fresh && one.done);
    known->second = one.present;
    if (!news) continue;
    PullEvent event = all;
    event.status = "pulling " + hash_of(one.file).substr(0, 12);
    event.file = one.file.path;
    event.digest = digest_of(one.file);
    event.total = one.file.size;
    event.completed = one.present;
    tell(event);
  }
  all.wait_seconds = std::max(0.0, std::chrono::duration<double>(patience_.left()).count());
  if (all.wait_seconds > 1) all.status = "waiting";
  tell(all);
}

// The manifest first: with it a pull that is killed in between can be continued.
fs::path Pull::publish(const Listing& listing, const std::vector<FileRecord>& files, Workspace& space) {
  const HubModel& model = repository_.model();
  Manifest manifest{.source = repository_.endpoint(),
                    .repository = model.name.repository(),
                    .revision = model.name.revision(),
                    .commit = listing.commit,
                    .files = files};
  make_folder(space.made());
  write_manifest(space.made(), manifest);
  for (const FileRecord& file : files) {
    const fs::path from = space.path() / hash_of(file), to = space.made() / file.path;
    const bool last = std::count_if(files.begin(), files.end(), [&](const FileRecord& f) {
                        return hash_of(f) == hash_of(file) && f.path > file.path;
                      }) == 0;
    std::error_code error;
    if (last) {
      fs::rename(from, to, error);
    } else {
      clone_or_copy(from, to);
    }
    if (error) fail(ErrorKind::bad_file, to.string(), "cannot be put in place: {}", error.message());
  }
  if (is_here(listing)) {  // another pull of it was first
    space.discard();
  } else {
    space.publish(target_);
  }
  return target_;
}

}  // namespace glimt

#include "hub/manifest.h"

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "hub/model_name.h"

#include <algorithm>
#include <limits>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr std::size_t kSha256Digits = 64, kBlobDigits = 40;

bool is_hash(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Sets the hash that `text` is; false if it is none.
bool set_hash(FileRecord& file, std::string_view text) {
  if (is_hash(text, kSha256Digits)) {
    file.sha256 = text;
  } else if (is_hash(text, kBlobDigits)) {
    file.blob = text;
  } else {
    return false;
  }
  return true;
}

json::object to_json(const FileRecord& file) {
  json::object object{{"path", file.path}, {"size", file.size}};
  if (!file.sha256.empty()) object["sha256"] = file.sha256;
  if (!file.blob.empty()) object["blob"] = file.blob;
  return object;
}

bool is_inside(const std::string& path) {
  const fs::path normal = fs::path(path).lexically_normal();
  return !path.empty() && normal.is_relative() && normal.string() == path && *normal.begin() != "..";
}

FileRecord record_from(const json::value& value, const std::string& where) {
  if (!value.is_object()) fail(ErrorKind::bad_file, where, "an object is wanted, got {}", dump_json(value));
  const JsonFields fields(value.get_object(), where);
  FileRecord file;
  file.path = fields.string("path");
  if (!is_inside(file.path)) fail(ErrorKind::bad_file, where, "'{}' must be a path below the folder", file.path);
  file.size = static_cast<std::uint64_t>(fields.integer("size", 0, std::numeric_limits<std::int64_t>::max()));
  file.sha256 = fields.string_or("sha256", "");
  file.blob = fields.string_or("blob", "");
  if (!is_hash(file.sha256, file.sha256.empty() ? 0 : kSha256Digits) ||
      !is_hash(file.blob, file.blob.empty() ? 0 : kBlobDigits) || (file.sha256.empty() && file.blob.empty())) {
    fail(ErrorKind::bad_file, where, "'{}' must have a sha256 of 64 digits or a blob of 40", file.path);
  }
  return file;
}

// A snapshot in Hugging Face's cache: models--owner--name/snapshots/COMMIT. Its files are links to ../../blobs/HASH.
std::optional<Manifest> snapshot_contents(const fs::path& folder) {
  const auto name = model_name_of_cache_folder(folder.parent_path().parent_path().filename().string());
  if (folder.parent_path().filename() != "snapshots" || !name) return std::nullopt;
  Manifest manifest{.source = "Hugging Face's cache",
                    .repository = name->repository(),
                    .revision = "",
                    .commit = folder.filename().string(),
                    .files = {}};
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    FileRecord file{.path = it->path().filename().string(), .size = 0, .sha256 = "", .blob = ""};
    std::error_code dangling;
    if (!it->is_symlink(dangling) || !set_hash(file, fs::read_symlink(it->path(), dangling).filename().string())) {
      continue;
    }
    const std::uintmax_t size = fs::file_size(it->path(), dangling);
    file.size = dangling ? 0 : size;
    manifest.files.push_back(std::move(file));
  }
  return manifest.files.empty() ? std::nullopt : std::optional(std::move(manifest));
}

// A folder of `hf download --local-dir`: .cache/huggingface/download/FILE.metadata has commit, hash and time as lines.
std::optional<Manifest> local_folder_contents(const fs::path& folder) {
  constexpr std::string_view kEnding = ".metadata";
  Manifest manifest{.source = "Hugging Face", .repository = "", .revision = "", .commit = "", .files = {}};
  std::error_code error;
  const fs::path notes = folder / ".cache" / "huggingface" / "download";
  for (fs::directory_iterator it(notes, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (!name.ends_with(kEnding) || !it->is_regular_file(ignored)) continue;
    const std::string text = read_file(it->path(), kMaxBytes);
    const auto lines = lines_of(text);
    FileRecord file{.path = name.substr(0, name.size() - kEnding.size()), .size = 0, .sha256 = "", .blob = ""};
    if (lines.size() < 2 || !set_hash(file, trimmed(lines[1]))) continue;
    const std::uintmax_t size = fs::file_size(folder / file.path, ignored);
    file.size = ignored ? 0 : size;
    manifest.commit = trimmed(lines[0]);
    manifest.files.push_back(std::move(file));
  }
  return manifest.files.empty() ? std::nullopt : std::optional(std::move(manifest));
}

std::optional<Manifest> in_order(std::optional<Manifest> manifest) {
  if (manifest) {
    std::sort(manifest->files.begin(), manifest->files.end(),
              [](const FileRecord& a, const FileRecord& b) { return a.path < b.path; });
  }
  return manifest;
}

}  // namespace

std::optional<Manifest> read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const json::value value = parse_json_file(path, kMaxBytes);
  if (!value.is_object()) fail(ErrorKind::bad_file, path.string(), "must hold a JSON object");
  const JsonFields fields(value.get_object(), path.string());
  fields.integer("version", kVersion, kVersion);
  Manifest manifest{.source = fields.string("source"),
                    .repository = fields.string_or("repository", ""),
                    .revision = fields.string_or("revision", ""),
                    .commit = fields.string_or("commit", ""),
                    .files = {}};
  for (const json::value& file : fields.array("files")) manifest.files.push_back(record_from(file, path.string()));
  return manifest;
}

void write_manifest(const fs::path& folder, const Manifest& manifest) {
  json::array files;
  for (const FileRecord& file : manifest.files) files.push_back(to_json(file));
  const json::object object{
      {"version", kVersion},           {"source", manifest.source}, {"repository", manifest.repository},
      {"revision", manifest.revision}, {"commit", manifest.commit}, {"files", std::move(files)}};
  write_file_atomically(folder / kManifestFile, dump_json(object) + "\n");
}

std::optional<Manifest> known_contents(const fs::path& folder) {
  if (std::optional<Manifest> own = read_manifest(folder)) return own;
  if (std::optional<Manifest> cached = snapshot_contents(folder)) return in_order(std::move(cached));
  return in_order(local_folder_contents(folder));
}

bool is_whole(const fs::path& folder, const Manifest& manifest) {
  return std::all_of(manifest.files.begin(), manifest.files.end(), [&](const FileRecord& file) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(folder / file.path, error);
    return !error && size == file.size;
  });
}

}  // namespace glimt

#include "base/file.h"
#include "base/json.h"
#include "hub/digest.h"
#include "hub/environment.h"
#include "hub/foreign_stores.h"
#include "hub/manifest.h"

#include <algorithm>
#include <random>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRegistry = "registry.ollama.ai";
constexpr const char* kLibrary = "library";
constexpr const char* kLatest = "latest";
constexpr std::string_view kMediaType = "application/vnd.ollama.image.";
constexpr std::size_t kMaxManifestBytes = std::size_t{64} << 20;
constexpr std::string_view kDigestPrefix = "sha256";

struct Layer {
  std::string file;    // that it becomes in a folder
  std::string sha256;  // 64 hexadecimal digits
  std::uint64_t size = 0;
};

struct OllamaModel {
  std::vector<Layer> layers;
  bool is_gguf = false;
};

// "sha256:…" or "sha256-…".
std::string digits_of(const std::string& digest, const std::string& where) {
  const std::string digits = digest.substr(std::min(digest.size(), kDigestPrefix.size() + 1));
  if (!digest.starts_with(kDigestPrefix) || digits.size() != 64 ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    fail(ErrorKind::bad_file, where, "a digest must be sha256: and 64 digits, got '{}'", digest);
  }
  return digits;
}

bool is_file_name(const std::string& name) {
  const auto allowed = [](unsigned char c) { return c > ' ' && c != '/' && c < 0x7f; };
  return !name.empty() && name.size() < 200 && name.front() != '.' && std::all_of(name.begin(), name.end(), allowed);
}

std::optional<Layer> layer_from(const JsonFields& fields) {
  const std::string type = fields.string_or("mediaType", "");
  const bool tensor = type == std::string(kMediaType) + "tensor", config = type == std::string(kMediaType) + "json";
  if (!tensor && !config) return std::nullopt;
  const std::string name = fields.string("name");
  if (!is_file_name(name)) fail(ErrorKind::bad_file, fields.where(), "'{}' is no name of a layer", name);
  // The reader of folders takes all files that begin with "model" where there is no index.
  return Layer{.file = tensor ? "model-" + name + ".safetensors" : name,
               .sha256 = digits_of(fields.string("digest"), fields.where()),
               .size = static_cast<std::uint64_t>(fields.integer("size", 0, std::int64_t{1} << 50))};
}

OllamaModel read_ollama_manifest(const fs::path& path) {
  const json::value value = parse_json_file(path, kMaxManifestBytes);
  if (!value.is_object()) fail(ErrorKind::bad_file, path.string(), "must hold a JSON object");
  OllamaModel model;
  for (const json::value& layer : JsonFields(value.get_object(), path.string()).array("layers")) {
    if (!layer.is_object()) fail(ErrorKind::bad_file, path.string(), "a layer must be an object");
    const JsonFields fields(layer.get_object(), path.string());
    if (auto one = layer_from(fields)) model.layers.push_back(std::move(*one));
    model.is_gguf = model.is_gguf || fields.string_or("mediaType", "") == std::string(kMediaType) + "model";
  }
  return model;
}

fs::path blob_path(const fs::path& place, const std::string& sha256) {
  std::error_code ignored;
  const fs::path usual = place / "blobs" / ("sha256-" + sha256);
  const fs::path older = place / "blobs" / ("sha256:" + sha256);
  return !fs::exists(usual, ignored) && fs::exists(older, ignored) ? older : usual;
}

std::string missing_layer(const fs::path& place, const OllamaModel& model) {
  for (const Layer& layer : model.layers) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(blob_path(place, layer.sha256), error);
    if (error || size != layer.size) return layer.file;
  }
  return "";
}

// A folder of links, made aside and renamed, so that nobody sees half of it.
void make_view(const fs::path& view, const fs::path& place, const OllamaModel& model, const ModelName& name) {
  const fs::path aside = view.string() + fmt::format(".{:08x}", std::random_device()());
  fs::create_directories(aside);
  Manifest manifest{.source = "Ollama's store at " + place.string(),
                    .repository = name.text(),
                    .revision = "",
                    .commit = "",
                    .files = {}};
  for (const Layer& layer : model.layers) {
    fs::create_symlink(fs::absolute(blob_path(place, layer.sha256)), aside / layer.file);
    manifest.files.push_back({.path = layer.file, .size = layer.size, .sha256 = layer.sha256, .blob = ""});
  }
  write_manifest(aside, manifest);
  std::error_code lost;
  fs::rename(aside, view, lost);
  if (lost) fs::remove_all(aside);  // another process was first
}

fs::path view_of(const fs::path& place, const fs::path& manifest, const OllamaModel& model, const ModelName& name) {
  const std::optional<fs::path> cache = cache_folder();
  if (!cache) fail(ErrorKind::not_found, "HOME", "is not set; links to Ollama's files need a cache folder");
  const std::string key = fs::absolute(manifest).string() + '\0' + read_file(manifest, kMaxManifestBytes);
  const fs::path view = *cache / "glimt" / "ollama" / sha256_of(key).substr(0, 32);
  std::error_code ignored;
  if (!fs::exists(view / kManifestFile, ignored)) make_view(view, place, model, name);
  return view;
}

ForeignModel look_at(const fs::path& place, const fs::path& manifest, const ModelName& name) {
  try {
    const OllamaModel model = read_ollama_manifest(manifest);
    const auto problem = [&](const std::string& what) { return ForeignModel{.folder = {}, .problem = what}; };
    if (model.is_gguf) {
      return problem(
          "is in Ollama's store as GGUF, which glimt cannot read; `glimt pull zai-org/GLM-4.7-Flash` gets "
          "the model as safetensors");
    }
    if (const std::string missing = missing_layer(place, model); !missing.empty()) {
      return problem(fmt::format("is in Ollama's store, but lacks {}", missing));
    }
    return {.folder = view_of(place, manifest, model, name), .problem = ""};
  } catch (const std::exception& error) {
    return {.folder = {}, .problem = fmt::format("cannot be used: {}", error.what())};
  }
}

fs::path manifest_path(const fs::path& place, const ModelName& name) {
  const std::string tag = name.suffix.empty() ? kLatest : name.revision();
  return place / "manifests" / kRegistry / (name.owner.empty() ? kLibrary : name.owner) / name.name / tag;
}

std::vector<fs::path> children(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    found.push_back(it->path());
  }
  return found;
}

std::optional<ModelName> name_of(const fs::path& manifest) {
  const std::string owner = manifest.parent_path().parent_path().filename().string();
  return parse_model_name((owner == kLibrary ? "" : owner + "/") + manifest.parent_path().filename().string() + ":" +
                          manifest.filename().string());
}

}  // namespace

bool is_ollama_store(const fs::path& place) {
  std::error_code ignored;
  return fs::is_directory(place / "manifests", ignored) && fs::is_directory(place / "blobs", ignored);
}

std::optional<ForeignModel> find_in_ollama_store(const fs::path& place, const ModelName& name) {
  if (!is_ollama_store(place) || name.suffix.starts_with('@')) return std::nullopt;
  const fs::path manifest = manifest_path(place, name);
  std::error_code ignored;
  if (!fs::is_regular_file(manifest, ignored)) return std::nullopt;
  return look_at(place, manifest, name);
}

std::vector<StoredModel> list_ollama_store(const fs::path& place) {
  std::vector<StoredModel> models;
  if (!is_ollama_store(place)) return models;
  for (const fs::path& owner : children(place / "manifests" / kRegistry)) {
    for (const fs::path& model : children(owner)) {
      for (const fs::path& tag : children(model)) {
        const std::optional<ModelName> name = name_of(tag);
        if (!name) continue;
        const ForeignModel found = look_at(place, tag, *name);
        if (!found.folder.empty() && is_known_family(found.folder)) models.push_back({name->text(), found.folder});
      }
    }
  }
  return models;
}

}  // namespace glimt

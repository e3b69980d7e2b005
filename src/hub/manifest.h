// What the files of a model should be, and where they came from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct FileRecord {
  std::string path;        // below the model's folder, with '/'
  std::uint64_t size = 0;  // in bytes
  std::string sha256;      // 64 hexadecimal digits; empty if only `blob` is known
  std::string blob;        // git's id of the content, 40 hexadecimal digits; empty if only `sha256` is known
};

struct Manifest {
  std::string source;      // "https://huggingface.co", "Hugging Face's cache", "Ollama's store"
  std::string repository;  // "owner/name"
  std::string revision;    // that was asked for: "main"
  std::string commit;      // that it was then; empty if the source has none
  std::vector<FileRecord> files;
};

inline constexpr const char* kManifestFile = ".glimt-manifest.json";

// The folder's own manifest. nullopt if it has none; throws bad_file for one that cannot be read.
std::optional<Manifest> read_manifest(const std::filesystem::path& folder);

void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

// What is known about a folder's files: its manifest; or what Hugging Face's client says, in whose cache each file
// is a link to a blob that is named by its hash, and which keeps hashes in .cache/ of a --local-dir. nullopt if nothing
// says it.
std::optional<Manifest> known_contents(const std::filesystem::path& folder);

// Whether all files of the manifest are there in their sizes; reads none of them.
bool is_whole(const std::filesystem::path& folder, const Manifest& manifest);

}  // namespace glimt

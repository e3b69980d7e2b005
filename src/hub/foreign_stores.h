// Models that other programs have downloaded: Hugging Face's cache and Ollama's store. They are used where they are; no
// file of them is ever written.
#pragma once

#include "hub/model_name.h"
#include "hub/store.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// $HF_HUB_CACHE, or else $HF_HOME/hub, or else huggingface/hub in $XDG_CACHE_HOME or ~/.cache; then $OLLAMA_MODELS, or
// else ~/.ollama/models and, of a system's service, /usr/share/ollama/.ollama/models. They need not exist.
std::vector<std::filesystem::path> foreign_places();

bool is_ollama_store(const std::filesystem::path& place);

// What a place says about a name: the folder of a model, or why the model that it has cannot be used.
struct ForeignModel {
  std::filesystem::path folder;  // empty if there is a problem
  std::string problem;           // "is in Hugging Face's cache, but lacks model-00002-of-00003.safetensors"
};

// In Hugging Face's cache: models--OWNER--NAME/snapshots/COMMIT, where the name's revision is a branch, a tag or a
// commit ("main" if it has none). A snapshot that lacks config.json, or weights that its index names, is a problem.
std::optional<ForeignModel> find_in_huggingface_cache(const std::filesystem::path& place, const ModelName& name);

// In Ollama's store, where a name without an owner is one of its library. A model of safetensors layers gets a folder
// of links to them in $XDG_CACHE_HOME/glimt/ollama (~/.cache/glimt/ollama), made anew when the model changes. A GGUF
// model is a problem.
std::optional<ForeignModel> find_in_ollama_store(const std::filesystem::path& place, const ModelName& name);

// Those models that are whole and of the family that glimt runs; others are left out, as caches are full of them.
std::vector<StoredModel> list_huggingface_cache(const std::filesystem::path& place);
std::vector<StoredModel> list_ollama_store(const std::filesystem::path& place);

}  // namespace glimt

#include "hub/foreign_stores.h"

#include "hub/environment.h"

namespace glimt {

namespace fs = std::filesystem;

std::vector<fs::path> foreign_places() {
  std::vector<fs::path> places;
  const std::optional<std::string> home = from_environment("HOME");
  if (const auto hub = from_environment("HF_HUB_CACHE")) {
    places.emplace_back(*hub);
  } else if (const auto hf_home = from_environment("HF_HOME")) {
    places.push_back(fs::path(*hf_home) / "hub");
  } else if (const auto cache = cache_folder()) {
    places.push_back(*cache / "huggingface" / "hub");
  }
  if (const auto models = from_environment("OLLAMA_MODELS")) {
    places.emplace_back(*models);
  } else {
    if (home) places.push_back(fs::path(*home) / ".ollama" / "models");
    places.emplace_back("/usr/share/ollama/.ollama/models");
  }
  return places;
}

}  // namespace glimt

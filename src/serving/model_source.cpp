#include "serving/model_source.h"

#include "checkpoint/weight_files.h"
#include "serving/loaded_model.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

namespace fs = std::filesystem;

std::size_t bytes_of_files(const fs::path& folder) {
  std::size_t bytes = 0;
  for (const fs::path& file : find_weight_files(folder).files) bytes += fs::file_size(file);
  return bytes;
}

std::vector<StoredModel> with_also(std::vector<StoredModel> models, const std::optional<StoredModel>& also) {
  std::error_code ignored;
  if (!also || !fs::exists(also->folder / "config.json", ignored)) return models;
  std::erase_if(models, [&](const StoredModel& m) { return m.name == also->name || m.folder == also->folder; });
  const auto by_name = [](const StoredModel& a, const StoredModel& b) { return a.name < b.name; };
  models.insert(std::upper_bound(models.begin(), models.end(), *also, by_name), *also);
  return models;
}

}  // namespace

StoredModel stored_model(const std::string& name_or_folder, const std::vector<fs::path>& places) {
  const fs::path folder = fs::canonical(resolve_model(name_or_folder, places));
  for (const StoredModel& model : list_models(places)) {
    std::error_code ignored;
    if (fs::equivalent(model.folder, folder, ignored)) return model;
  }
  return {folder.filename().string(), folder};
}

ModelSource stored_models(std::vector<fs::path> places, std::optional<StoredModel> also, EngineOptions options) {
  ModelSource source;
  source.list = [places = std::move(places), also = std::move(also)] { return with_also(list_models(places), also); };
  source.weight_bytes = [](const StoredModel& model) {
    return bytes_of_files(model.folder) /
           static_cast<std::size_t>(Engine::rank().size);  // each rank has about its part
  };
  source.load = [options](const StoredModel& model, std::size_t cache_memory, LoadProgress& progress) {
    EngineOptions own = options;
    own.cache_memory = cache_memory;
    return load_served_model(model, own, progress);
  };
  return source;
}

}  // namespace glimt

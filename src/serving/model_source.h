// Where a ModelManager gets its models: the store, or what a test puts in its place.
#pragma once

#include "engine/engine_options.h"
#include "hub/store.h"
#include "serving/load_progress.h"
#include "serving/served_model.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// Each may throw; none is called on a thread of a ModelManager's callers.
struct ModelSource {
  std::function<std::vector<StoredModel>()> list;

  // Bytes of memory that its weights take.
  std::function<std::size_t(const StoredModel& model)> weight_bytes;

  // Loads it, with so many bytes for its cache. May take minutes: calls progress.check() (or add()) as often as it can.
  std::function<std::shared_ptr<ServedModel>(const StoredModel& model, std::size_t cache_memory,
                                             LoadProgress& progress)>
      load;
};

// What a command line means by `name_or_folder`. Throws what resolve_model throws.
StoredModel stored_model(const std::string& name_or_folder, const std::vector<std::filesystem::path>& places);

// The models in `places`, and `also`, which may lie elsewhere and hides one of the same name. Loaded with `options`,
// but for cache_memory, which the manager decides.
ModelSource stored_models(std::vector<std::filesystem::path> places, std::optional<StoredModel> also,
                          EngineOptions options);

}  // namespace glimt

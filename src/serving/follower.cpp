#include "serving/follower.h"

#include "hub/store.h"

namespace glimt {

void follow_model(const std::string& name_or_folder, const EngineOptions& options) {
  Engine::follow(resolve_model(name_or_folder), options);
}

}  // namespace glimt

// The processes above rank 0 of a model that several compute together (Engine::rank).
#pragma once

#include "engine/engine.h"

#include <string>

namespace glimt {

// Computes this rank's part of the model until rank 0 has ended. Throws what resolve_model and Engine::follow throw.
void follow_model(const std::string& name_or_folder, const EngineOptions& options);

}  // namespace glimt

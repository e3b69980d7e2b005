// How an engine gets its model: for Engine::load, and for tests that bring a model of their own.
#pragma once

#include "base/file.h"
#include "base/token.h"
#include "engine/engine.h"
#include "model/causal_lm.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace glimt {

struct EngineModel {
  std::unique_ptr<CausalLm> model;
  std::size_t weight_bytes = 0;
  std::vector<std::shared_ptr<const MappedFile>> files = {};  // that the weights are in, for the huge pages
  std::vector<TokenId> eos = {};
  std::string fingerprint = {};  // of weights and configuration: a session file is for one of them
  std::size_t copied_bytes = 0;  // of the weights: in memory of their own by now
};

class EngineLoader {
 public:
  // `make` is called on the engine's thread, which MLX binds the model's streams to.
  static std::unique_ptr<Engine> start(const std::function<EngineModel()>& make, const EngineOptions& options);
};

}  // namespace glimt

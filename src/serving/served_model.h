// What a front needs of a model that is loaded: the engine behind an interface, so that tests put a scripted one there.
#pragma once

#include "chat/prepare.h"
#include "engine/engine_options.h"
#include "engine/metrics.h"
#include "engine/request.h"
#include "engine/stream.h"

#include <memory>
#include <string>
#include <string_view>

namespace glimt {

// All methods may be called from any thread, also at once.
class ServedModel {
 public:
  virtual ~ServedModel() = default;

  virtual const std::string& name() const = 0;  // as the store knows it
  virtual ChatResources resources() const = 0;  // valid as long as the model
  virtual const SamplingParams& defaults() const = 0;
  virtual std::string_view fingerprint() const = 0;  // of configuration and weights

  // As Engine::submit.
  virtual std::shared_ptr<Stream> submit(GenerationRequest request) = 0;

  virtual EngineMetrics metrics() const = 0;
  virtual EngineHealth health() const = 0;
};

}  // namespace glimt

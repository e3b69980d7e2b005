// A real model that says what a script says, so that clients of any kind meet the engine, its cache and its grammars.
#pragma once

#include "serving/served_model.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {

// Each answer is held by a grammar that allows one text. The model has the demo model's tokenizer.
class ForcedModel : public ServedModel {
 public:
  // answer: as ScriptOptions::answer.
  ForcedModel(std::shared_ptr<ServedModel> model, std::function<std::string(std::string_view prompt)> answer)
      : model_(std::move(model)), answer_(std::move(answer)) {}

  const std::string& name() const override { return model_->name(); }
  ChatResources resources() const override { return model_->resources(); }
  const SamplingParams& defaults() const override { return model_->defaults(); }
  std::string_view fingerprint() const override { return model_->fingerprint(); }
  std::shared_ptr<Stream> submit(GenerationRequest request) override;
  EngineMetrics metrics() const override { return model_->metrics(); }
  EngineHealth health() const override { return model_->health(); }

 private:
  std::shared_ptr<ServedModel> model_;
  std::function<std::string(std::string_view)> answer_;
};

}  // namespace glimt

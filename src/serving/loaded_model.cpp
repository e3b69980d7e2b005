#include "serving/loaded_model.h"

#include "serving/read_ahead.h"

#include <utility>

namespace glimt {
namespace {

class LoadedModel final : public ServedModel {
 public:
  LoadedModel(std::string name, ChatModel model) : name_(std::move(name)), model_(std::move(model)) {}

  const std::string& name() const override { return name_; }
  ChatResources resources() const override { return resources_; }
  const SamplingParams& defaults() const override { return model_.defaults; }
  std::string_view fingerprint() const override { return model_.engine->info().fingerprint; }
  std::shared_ptr<Stream> submit(GenerationRequest request) override {
    return model_.engine->submit(std::move(request));
  }
  EngineMetrics metrics() const override { return model_.engine->metrics(); }
  EngineHealth health() const override { return model_.engine->health(); }

 private:
  const std::string name_;
  const ChatModel model_;
  const ChatResources resources_ = model_.resources();  // refers to model_, so this object stays where it is
};

}  // namespace

std::shared_ptr<ServedModel> load_served_model(const StoredModel& stored, const EngineOptions& options,
                                               LoadProgress& progress) {
  progress.enter(LoadStage::reading);
  if (Engine::rank().size == 1) read_weights_ahead(stored.folder, progress);  // of several, each needs a part
  progress.enter(LoadStage::starting);
  progress.check();
  auto model = std::make_shared<LoadedModel>(stored.name, load_chat_model(stored.folder.string(), options));
  progress.enter(LoadStage::loaded);
  return model;
}

}  // namespace glimt

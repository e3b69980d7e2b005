// Models without weights, for whoever tests what is in front of them: loading takes as long as the test wants.
#pragma once

#include "base/error.h"
#include "serving/model_source.h"

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

// Answers nothing; counts how many of its kind there are.
class FakeServedModel final : public ServedModel {
 public:
  FakeServedModel(std::string name, std::size_t cache_bytes, std::shared_ptr<std::atomic<int>> alive)
      : name_(std::move(name)), cache_bytes_(cache_bytes), alive_(std::move(alive)) {
    ++*alive_;
  }
  ~FakeServedModel() override { --*alive_; }
  FakeServedModel(const FakeServedModel&) = delete;
  FakeServedModel& operator=(const FakeServedModel&) = delete;

  const std::string& name() const override { return name_; }
  ChatResources resources() const override {
    static const std::filesystem::path folder = std::string(GLIMT_SOURCE_DIR) + "/models/demo";
    static const Tokenizer tokenizer(folder);
    static const ChatTemplate chat_template(folder, tokenizer);
    return {tokenizer, chat_template, {}, {}, 2048};
  }
  const SamplingParams& defaults() const override { return defaults_; }
  std::string_view fingerprint() const override { return "fake"; }
  std::shared_ptr<Stream> submit(GenerationRequest) override { return nullptr; }
  EngineMetrics metrics() const override {
    EngineMetrics metrics;
    metrics.blocks = 1;
    metrics.block_bytes = cache_bytes_;
    return metrics;
  }
  EngineHealth health() const override { return {}; }

 private:
  const std::string name_;
  const std::size_t cache_bytes_;
  const SamplingParams defaults_;
  const std::shared_ptr<std::atomic<int>> alive_;
};

// A store of models whose names and weights' bytes the test says. All methods may be called from any thread.
class FakeStore {
 public:
  explicit FakeStore(std::map<std::string, std::size_t> models) : models_(std::move(models)) {}

  ModelSource source() {
    ModelSource source;
    source.list = [this] { return list(); };
    source.weight_bytes = [this](const StoredModel& model) { return bytes_of(model.name); };
    source.load = [this](const StoredModel& model, std::size_t cache, LoadProgress& progress) {
      return load(model.name, cache, progress);
    };
    return source;
  }

  // Loads wait until release(), or until their progress is stopped.
  void hold() {
    set([this] { held_ = true; });
  }
  void release() {
    set([this] { held_ = false; });
  }
  void fail_loads(bool fails) {
    set([this, fails] { fails_ = fails; });
  }
  void wait_for_loads(int begun) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return loads_ >= begun; });
  }

  int loads() const {
    const std::lock_guard lock(mutex_);
    return loads_;
  }
  int alive() const { return *alive_; }

 private:
  template <typename Change>
  void set(Change change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  std::vector<StoredModel> list() const {
    std::vector<StoredModel> models;
    for (const auto& [name, bytes] : models_) models.push_back({name, "/fake/" + name});
    return models;
  }
  std::size_t bytes_of(const std::string& name) const { return models_.at(name); }

  std::shared_ptr<ServedModel> load(const std::string& name, std::size_t cache, LoadProgress& progress) {
    std::unique_lock lock(mutex_);
    ++loads_;
    changed_.notify_all();
    progress.enter(LoadStage::reading);
    progress.set_total(bytes_of(name));
    progress.add(bytes_of(name) / 2);
    while (held_) {
      progress.check();
      changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
    if (fails_) throw Error(ErrorKind::bad_file, name + ": is damaged");
    return std::make_shared<FakeServedModel>(name, cache, alive_);
  }

  const std::map<std::string, std::size_t> models_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, fails_ = false;
  int loads_ = 0;
  const std::shared_ptr<std::atomic<int>> alive_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace glimt

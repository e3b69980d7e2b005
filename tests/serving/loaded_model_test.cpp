// The demo model behind a ModelManager: what it takes of the process, and that it gives it back.
#include "serving/loaded_model.h"

#include "base/needs_proc.h"
#include "base/sanitized.h"
#include "base/throws.h"
#include "serving/model_manager.h"
#include "serving/read_ahead.h"

#include <mlx/mlx.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

namespace glimt {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(GLIMT_SOURCE_DIR) / "models";

EngineOptions small_options() {
  EngineOptions options;
  options.huge_pages = false;
  return options;
}

ManagerOptions small_cache() {
  ManagerOptions options;
  options.cache_memory = std::size_t{8} << 20;
  return options;
}

ModelLease take(ModelManager& manager, const std::string& name) {
  std::promise<ModelLease> promise;
  manager.acquire(name, std::chrono::nanoseconds(-1), [&](ModelLease lease, const std::exception_ptr& error) {
    error ? promise.set_exception(error) : promise.set_value(std::move(lease));
  });
  return promise.get_future().get();
}

std::size_t answer_tokens(ServedModel& model) {
  ChatRequest request;
  request.messages.push_back({{"role", "user"}, {"content", "Hello"}});
  request.thinking = false;
  request.sampling.temperature = 0;
  request.max_tokens = 8;
  const auto stream = model.submit(prepare(model.resources(), request).generation());
  std::size_t tokens = 0;
  while (const auto event = stream->next()) {
    if (const auto* error = std::get_if<std::exception_ptr>(&*event)) std::rethrow_exception(*error);
    tokens += std::holds_alternative<TokenEvent>(*event) ? 1 : 0;
  }
  return tokens;
}

// Of this process, as the system tells it.
struct Footprint {
  std::size_t threads = 0, mapped_files = 0, descriptors = 0, resident_bytes = 0, mlx_bytes = 0;

  static Footprint now() {
    Footprint f;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/task")) ++f.threads;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++f.descriptors;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) f.mapped_files += line.ends_with(".safetensors") ? 1 : 0;
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages >> pages;
    f.resident_bytes = pages * 4096;
    f.mlx_bytes = mlx::core::get_active_memory() + mlx::core::get_cache_memory();
    return f;
  }
};

void load_use_unload(ModelManager& manager) {
  {
    const ModelLease lease = take(manager, "demo");
    EXPECT_GT(answer_tokens(*lease.model), 0U);
    EXPECT_GT(Footprint::now().mapped_files, 0U);
    EXPECT_TRUE(manager.unload("demo"));
  }
  for (int i = 0; i < 10000 && !manager.status().models.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(manager.status().models.empty());
}

TEST(LoadedModelTest, UnloadGivesEverythingBack) {
  NEEDS_PROC();
  ModelManager manager(stored_models({kModels}, std::nullopt, small_options()), small_cache());
  load_use_unload(manager);  // once for what the process keeps: the threads of the kernels, tables of the libraries
  const Footprint before = Footprint::now();
  for (int i = 0; i < 4; ++i) load_use_unload(manager);
  const Footprint after = Footprint::now();
  EXPECT_EQ(before.mapped_files, 0U);
  EXPECT_EQ(after.mapped_files, 0U);
  EXPECT_EQ(after.threads, before.threads);
  EXPECT_EQ(after.descriptors, before.descriptors);
  EXPECT_EQ(after.mlx_bytes, before.mlx_bytes);
  EXPECT_EQ(mlx::core::get_cache_memory(), 0U);
  if (kSanitized) return;  // what was freed stays resident for a while
  EXPECT_LT(after.resident_bytes, before.resident_bytes + (std::size_t{4} << 20));  // one model is 20 MB and more
}

TEST(LoadedModelTest, IsWhatTheManagerSays) {
  ModelManager manager(stored_models({kModels}, std::nullopt, small_options()), small_cache());
  const ModelLease lease = take(manager, "DEMO:latest");
  EXPECT_EQ(lease.model->name(), "demo");
  EXPECT_EQ(lease.model->fingerprint().size(), 36U);
  EXPECT_GT(lease.load_seconds, 0);
  const ModelStatus status = manager.status().models.at(0);
  EXPECT_EQ(status.load.stage, LoadStage::loaded);
  EXPECT_EQ(status.load.done_bytes, status.load.total_bytes);
  EXPECT_EQ(status.context, lease.model->resources().context);
  const EngineMetrics metrics = lease.model->metrics();
  EXPECT_EQ(status.bytes, status.load.total_bytes + static_cast<std::size_t>(metrics.blocks) * metrics.block_bytes);
}

TEST(LoadedModelTest, ACommandLineNamesAModelByNameOrFolder) {
  const fs::path demo = fs::canonical(kModels / "demo");
  EXPECT_EQ(stored_model("demo", {kModels}).name, "demo");
  EXPECT_EQ(stored_model(demo.string() + "/", {kModels}).name, "demo");
  const StoredModel elsewhere = stored_model(demo.string(), {});
  EXPECT_EQ(elsewhere.name, "demo");
  EXPECT_EQ(elsewhere.folder, demo);
  EXPECT_EQ(stored_models({}, elsewhere, {}).list().size(), 1U);
  EXPECT_EQ(stored_models({kModels}, elsewhere, {}).list().size(), 1U);  // the same name is there once
  EXPECT_ERROR(stored_model("no-such-model", {kModels}), ErrorKind::not_found, testing::HasSubstr("no-such-model"));
}

TEST(ReadAheadTest, CountsTheBytesOfTheFilesAndCanBeStopped) {
  LoadProgress progress;
  read_weights_ahead(kModels / "demo", progress);
  EXPECT_GT(progress.state().total_bytes, std::size_t{1} << 20);
  EXPECT_EQ(progress.state().done_bytes, progress.state().total_bytes);
  LoadProgress stopped;
  stopped.stop();
  EXPECT_ERROR(read_weights_ahead(kModels / "demo", stopped), ErrorKind::overloaded, testing::HasSubstr("stopped"));
  EXPECT_ERROR(read_weights_ahead(kModels, progress), ErrorKind::not_found, testing::HasSubstr("models"));
}

}  // namespace
}  // namespace glimt

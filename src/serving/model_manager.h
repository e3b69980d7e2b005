// Which models are in memory: loads them when they are asked for, keeps them for a while, and lets the one that was used
// longest ago go when another needs its memory. A model that somebody uses never goes.
//
//   manager.acquire("demo", std::nullopt, [](ModelLease lease, std::exception_ptr error) { … });
#pragma once

#include "serving/model_source.h"

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct ManagerOptions {
  // A name that find_model knows. Empty: the loaded model that was used last, or else the only one there is.
  std::string default_model;
  bool strict_models = false;  // vendors' names mean nothing

  // Bytes for the weights and caches of all models together. 0: what the machine has available when the manager starts.
  std::size_t memory = 0;
  std::size_t cache_memory = 0;  // of each model; 0: half of what is free beside its weights

  // How long a model stays after its last answer, where a request says nothing; negative: for ever.
  std::chrono::nanoseconds keep_alive = std::chrono::minutes(5);
  bool stays = false;               // whatever anybody says: a model that several ranks hold cannot be loaded again
  std::size_t most_waiting = 1024;  // acquires that wait for a model
};

// Holds a model in memory. Copies of `model` hold it as well. May end on any thread, which takes no time, and may
// outlive the manager: then the model is unloaded by the thread that ends it.
struct ModelLease {
  std::shared_ptr<ServedModel> model;  // null if there is none
  double load_seconds = 0;             // that this lease waited for its model
};

struct ModelStatus {
  enum class State { loading, loaded, unloading };

  StoredModel model;
  State state = State::loading;
  LoadState load;
  std::size_t bytes = 0;    // of weights and cache; those set aside, while it is loading
  std::size_t context = 0;  // most tokens of prompt and answer; 0 while it is loading
  int leases = 0;
  int waiting = 0;  // acquires that wait for it
  // When it goes; while it is in use, when it would if its last lease ended now. Nothing: never.
  std::optional<std::chrono::system_clock::time_point> expires = std::nullopt;
  EngineMetrics metrics = {};  // and health: of a model that is loaded
  EngineHealth health = {};
};

struct ManagerStatus {
  std::vector<ModelStatus> models;  // in memory, or on their way in or out
  std::size_t memory = 0;           // bytes that they may take together
  std::size_t used = 0;
  std::size_t asked = 0;  // requests for models that were not looked at yet: one of them may begin a load
};

class ModelManager {
 public:
  // How long a model stays, from the end of the lease on. Nothing: ManagerOptions::keep_alive. Negative: for ever. 0:
  // it goes at once. What was said last holds.
  using KeepAlive = std::optional<std::chrono::nanoseconds>;

  // One of both is set. Called once, on any thread, perhaps before acquire() returns; must be quick, and what it throws
  // is lost.
  using Callback = std::function<void(ModelLease lease, std::exception_ptr error)>;

  // Loads nothing yet.
  ModelManager(ModelSource source, ManagerOptions options);

  // As shutdown(). Models with a lease stay until that ends.
  ~ModelManager();

  // Never waits. Errors for the callback:
  //   not_found, invalid_request  what find_model throws
  //   unsupported   the model does not fit the memory, even alone; names the bytes
  //   overloaded    it does not fit beside those that are in use; or too many wait already; or shutdown
  //   what loading throws: all that wait for the same load get it, and the next acquire tries again
  void acquire(const std::string& name, KeepAlive keep_alive, Callback callback);

  // The model goes as soon as nobody uses it. Returns whether it was there. Throws what find_model throws. Reads the
  // store's folders.
  bool unload(const std::string& name);

  // How far the load is that acquires of this name wait for; nothing if none runs. Quick.
  std::optional<LoadState> loading(const std::string& name) const;

  // A folder's model has been removed or is another one now: names are looked up anew, and what is in memory goes as
  // soon as nobody uses it.
  void forget(const std::filesystem::path& folder);

  // Which model a name means, loaded or not. Throws what find_model throws. Reads the store's folders.
  StoredModel find(const std::string& name) const;

  // The models that find() knows, by name. Reads the store's folders.
  std::vector<StoredModel> list() const;

  ManagerStatus status() const;  // quick

  // Waits until no load runs and all models without a lease are gone. Loads that run end where they can, and their
  // callbacks get overloaded, as every later acquire does. Not for callbacks.
  void shutdown();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace glimt

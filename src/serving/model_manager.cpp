#include "serving/model_manager.h"

#include "base/error.h"
#include "base/memory.h"
#include "serving/model_names.h"
#include "serving/model_table.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace glimt {
namespace {

using Clock = ModelEntry::Clock;
using Entry = ModelTable::Entry;
using State = ModelStatus::State;

// The cache that a model gets at least, where nothing is said.
constexpr std::size_t kLeastCache = std::size_t{256} << 20;

// For so long a name means what it meant, without a look into the store's folders.
constexpr std::chrono::seconds kNamesHold{5};
constexpr std::size_t kMostNames = 1024;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string in_words(std::size_t bytes) {
  return bytes < 10'000'000 ? fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3)
                            : fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

std::exception_ptr shutdown_error() {
  return std::make_exception_ptr(Error(ErrorKind::overloaded, "the server is shutting down"));
}

void tell(const ModelManager::Callback& callback, ModelLease lease, std::exception_ptr error) noexcept {
  try {
    callback(std::move(lease), std::move(error));
  } catch (...) {
    // It says that it does not throw; the lease that it was given has ended.
  }
}

}  // namespace

// Two threads: the keeper finds out what names mean and decides who loads and who goes, so that it is always there; the
// worker loads and unloads, one model at a time.
class ModelManager::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ModelSource source, ManagerOptions options);

  void start();
  void shutdown();
  void acquire(const std::string& name, KeepAlive keep_alive, Callback callback);
  bool unload(const std::filesystem::path& folder);
  void forget(const std::filesystem::path& folder);
  std::optional<LoadState> loading(const std::string& name) const;
  ModelNames names() const;
  ManagerStatus status() const;

 private:
  struct Ask {
    std::string name;
    KeepAlive keep_alive;
    ModelEntry::Waiter waiter;
  };
  struct KnownName {
    std::filesystem::path folder;
    Clock::time_point until;
  };
  struct Hold;  // what a lease owns

  // The keeper.
  void keep();
  void answer(Ask ask);
  void begin_load(const StoredModel& model, std::size_t weight_bytes, Ask& ask);
  std::vector<Entry> make_room(const StoredModel& model, std::size_t needed) const;
  void let_go(const Entry& entry);
  void remember(const std::string& name, const std::filesystem::path& folder);

  // The worker.
  void work();
  void load(const Entry& entry);
  void finish_load(const Entry& entry, std::shared_ptr<ServedModel> model, std::exception_ptr error);
  void destroy(const Entry& entry);

  // Both, and callers.
  std::size_t unseen() const { return asks_.size() + (answering_ ? 1 : 0); }
  std::size_t waiting() const { return unseen() + table_.waiting(); }
  Entry known(const std::string& name) const;
  std::optional<StoredModel> default_of(const ModelNames& names) const;
  std::chrono::nanoseconds kept(KeepAlive keep_alive) const {
    return options_.stays ? std::chrono::nanoseconds(-1) : keep_alive.value_or(options_.keep_alive);
  }
  bool attach(const Entry& entry, KeepAlive keep_alive, ModelEntry::Waiter& waiter, ModelLease& lease);
  ModelLease lease_of(const Entry& entry, double load_seconds);
  void release(const Entry& entry) noexcept;

  const ModelSource source_;
  const ManagerOptions options_;
  const std::size_t memory_;

  mutable std::mutex mutex_;
  std::condition_variable keeper_wakes_, worker_wakes_;
  ModelTable table_;
  std::deque<Ask> asks_;
  bool answering_ = false;  // one that is neither among the asks nor with its model yet
  std::deque<Entry> jobs_;  // to load, or on their way out
  std::map<std::string, KnownName> names_;
  bool stop_ = false, no_more_jobs_ = false;
  std::thread keeper_, worker_;
};

struct ModelManager::Impl::Hold {
  std::weak_ptr<Impl> manager;
  Entry entry;

  Hold(std::weak_ptr<Impl> m, Entry e) : manager(std::move(m)), entry(std::move(e)) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    if (const auto alive = manager.lock()) alive->release(entry);
  }
};

ModelManager::Impl::Impl(ModelSource source, ManagerOptions options)
    : source_(std::move(source)),
      options_(std::move(options)),
      memory_(options_.memory > 0      ? options_.memory
              : available_memory() > 0 ? available_memory()
                                       : std::numeric_limits<std::size_t>::max()) {}

void ModelManager::Impl::start() {
  keeper_ = std::thread([this] { keep(); });
  worker_ = std::thread([this] { work(); });
}

void ModelManager::Impl::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stop_, true)) return;
    for (const Entry& entry : table_.entries()) entry->progress.stop();
  }
  keeper_wakes_.notify_one();
  keeper_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : std::list(table_.entries())) {
      if (entry->is_idle()) let_go(entry);
    }
    no_more_jobs_ = true;
  }
  worker_wakes_.notify_one();
  worker_.join();
  const std::lock_guard lock(mutex_);
  table_ = ModelTable();  // those in use belong to their leases now
}

void ModelManager::Impl::acquire(const std::string& name, KeepAlive keep_alive, Callback callback) {
  Ask ask{name, keep_alive, {std::move(callback), Clock::now()}};
  ModelLease lease;
  std::exception_ptr error;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) {
      error = shutdown_error();
    } else if (const Entry entry = known(name); entry != nullptr && entry->state == State::loaded) {
      attach(entry, keep_alive, ask.waiter, lease);
    } else if (waiting() >= options_.most_waiting) {
      error = std::make_exception_ptr(
          Error(ErrorKind::overloaded, fmt::format("model: {} requests wait for one already", options_.most_waiting)));
    } else {
      asks_.push_back(std::move(ask));
      keeper_wakes_.notify_one();
      return;
    }
  }
  tell(ask.waiter.callback, std::move(lease), std::move(error));
}

// What the name meant a moment ago.
ModelTable::Entry ModelManager::Impl::known(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end() || found->second.until < Clock::now()) return nullptr;
  return table_.find(found->second.folder);
}

void ModelManager::Impl::remember(const std::string& name, const std::filesystem::path& folder) {
  if (names_.size() >= kMostNames) names_.clear();
  names_[name] = {folder, Clock::now() + kNamesHold};
}

// Gives a lease if the model is loaded and returns true; else the waiter waits for it.
bool ModelManager::Impl::attach(const Entry& entry, KeepAlive keep_alive, ModelEntry::Waiter& waiter,
                                ModelLease& lease) {
  if (stop_) std::rethrow_exception(shutdown_error());
  entry->keep_alive = kept(keep_alive);
  if (entry->state == State::loaded) {
    lease = lease_of(entry, 0);
    return true;
  }
  entry->waiters.push_back(std::move(waiter));
  return false;
}

ModelLease ModelManager::Impl::lease_of(const Entry& entry, double load_seconds) {
  const auto hold = std::make_shared<Hold>(weak_from_this(), entry);
  ++entry->leases;
  entry->last_used = Clock::now();
  return {std::shared_ptr<ServedModel>(hold, entry->model.get()), load_seconds};
}

void ModelManager::Impl::release(const Entry& entry) noexcept {
  const std::lock_guard lock(mutex_);
  entry->last_used = Clock::now();
  if (--entry->leases == 0) keeper_wakes_.notify_one();
}

void ModelManager::Impl::keep() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!asks_.empty()) {
      Ask ask = std::move(asks_.front());
      asks_.pop_front();
      answering_ = true;
      lock.unlock();
      answer(std::move(ask));
      lock.lock();
      continue;
    }
    for (const Entry& entry : table_.expired(Clock::now())) let_go(entry);
    const auto next = table_.next_expiry();
    if (next == Clock::time_point::max()) {
      keeper_wakes_.wait(lock);
    } else {
      keeper_wakes_.wait_until(lock, next);
    }
  }
  std::deque<Ask> left;
  left.swap(asks_);
  lock.unlock();
  for (const Ask& ask : left) tell(ask.waiter.callback, {}, shutdown_error());
}

// The store's folders are read without the lock.
void ModelManager::Impl::answer(Ask ask) {
  const Callback callback = ask.waiter.callback;
  try {
    const StoredModel model = find_model(names(), ask.name);
    ModelLease lease;
    std::unique_lock lock(mutex_);
    remember(ask.name, model.folder);
    if (table_.find(model.folder) == nullptr) {
      lock.unlock();
      const std::size_t bytes = source_.weight_bytes(model);
      lock.lock();
      answering_ = false;
      return begin_load(model, bytes, ask);
    }
    answering_ = false;
    if (!attach(table_.find(model.folder), ask.keep_alive, ask.waiter, lease)) return;
    lock.unlock();
    tell(callback, std::move(lease), {});
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      answering_ = false;
    }
    tell(callback, {}, std::current_exception());
  }
}

void ModelManager::Impl::begin_load(const StoredModel& model, std::size_t weight_bytes, Ask& ask) {
  if (stop_) std::rethrow_exception(shutdown_error());
  const std::size_t least = weight_bytes + (options_.cache_memory > 0 ? options_.cache_memory : kLeastCache);
  const std::vector<Entry> victims = make_room(model, least);
  auto entry = std::make_shared<ModelEntry>();
  entry->stored = model;
  for (const Entry& victim : victims) let_go(victim);
  entry->cache_memory = options_.cache_memory;
  if (entry->cache_memory == 0) {
    entry->cache_memory = std::max(kLeastCache, (memory_ - table_.committed() - weight_bytes) / 2);
  }
  entry->bytes = weight_bytes + entry->cache_memory;
  entry->keep_alive = kept(ask.keep_alive);
  table_.add(entry);
  jobs_.push_back(entry);
  entry->waiters.push_back(std::move(ask.waiter));
  worker_wakes_.notify_one();
}

// Who must go for it; throws if that is not enough.
std::vector<ModelTable::Entry> ModelManager::Impl::make_room(const StoredModel& model, std::size_t needed) const {
  if (needed > memory_) {
    fail(ErrorKind::unsupported, "model", "'{}' takes {} ({} bytes) of memory with the least cache; models may have {}",
         model.name, in_words(needed), needed, in_words(memory_));
  }
  auto victims = table_.victims_for(needed, memory_);
  if (!victims) {
    fail(ErrorKind::overloaded, "model",
         "'{}' takes {} ({} bytes) of memory, and {} of {} are held by models that are in use; try again later",
         model.name, in_words(needed), needed, in_words(table_.committed()), in_words(memory_));
  }
  return std::move(*victims);
}

void ModelManager::Impl::let_go(const Entry& entry) {
  entry->state = State::unloading;
  jobs_.push_back(entry);
  worker_wakes_.notify_one();
}

void ModelManager::Impl::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    worker_wakes_.wait(lock, [this] { return !jobs_.empty() || no_more_jobs_; });
    if (jobs_.empty()) return;
    const Entry entry = std::move(jobs_.front());
    jobs_.pop_front();
    const bool loads = entry->state == State::loading;
    lock.unlock();
    loads ? load(entry) : destroy(entry);
    lock.lock();
  }
}

void ModelManager::Impl::load(const Entry& entry) {
  std::shared_ptr<ServedModel> model;
  try {
    entry->progress.check();
    model = source_.load(entry->stored, entry->cache_memory, entry->progress);
  } catch (...) {
    return finish_load(entry, nullptr, std::current_exception());
  }
  finish_load(entry, std::move(model), {});
}

void ModelManager::Impl::finish_load(const Entry& entry, std::shared_ptr<ServedModel> model, std::exception_ptr error) {
  std::vector<ModelEntry::Waiter> waiters;
  std::vector<ModelLease> leases;
  {
    const std::lock_guard lock(mutex_);
    if (stop_) error = shutdown_error();
    waiters.swap(entry->waiters);
    if (error) {
      table_.remove(entry);
    } else {
      const EngineMetrics metrics = model->metrics();
      entry->bytes += static_cast<std::size_t>(metrics.blocks) * metrics.block_bytes - entry->cache_memory;
      entry->model = std::move(model);
      entry->state = State::loaded;
      entry->progress.enter(LoadStage::loaded);
      for (const auto& waiter : waiters) leases.push_back(lease_of(entry, seconds_since(waiter.since)));
    }
  }
  leases.resize(waiters.size());
  for (std::size_t i = 0; i < waiters.size(); ++i) tell(waiters[i].callback, std::move(leases[i]), error);
}

// No lease holds the model, and none can be had any more.
void ModelManager::Impl::destroy(const Entry& entry) {
  std::shared_ptr<ServedModel> model;
  {
    const std::lock_guard lock(mutex_);
    model.swap(entry->model);
  }
  model.reset();
  release_unused_memory();
  const std::lock_guard lock(mutex_);
  table_.remove(entry);
}

ModelNames ModelManager::Impl::names() const {
  ModelNames names{source_.list(), std::nullopt, options_.strict_models};
  if (!options_.default_model.empty()) {
    names.default_model = default_of(names);
    return names;
  }
  const std::lock_guard lock(mutex_);
  if (const Entry last = table_.last_used()) {
    names.default_model = last->stored;
  } else if (names.models.size() == 1) {
    names.default_model = names.models.front();
  }
  return names;
}

// One that has been removed since the start is no reason that the others cannot be found.
std::optional<StoredModel> ModelManager::Impl::default_of(const ModelNames& names) const {
  try {
    return find_model(names, options_.default_model);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return std::nullopt;
  }
}

bool ModelManager::Impl::unload(const std::filesystem::path& folder) {
  const std::lock_guard lock(mutex_);
  const Entry entry = table_.find(folder);
  if (entry == nullptr || options_.stays) return false;
  entry->keep_alive = std::chrono::nanoseconds(0);
  keeper_wakes_.notify_one();
  return true;
}

void ModelManager::Impl::forget(const std::filesystem::path& folder) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(names_, [&](const auto& name) { return name.second.folder == folder; });
  }
  unload(folder);
}

// By what the name meant when it was asked for, however long ago.
std::optional<LoadState> ModelManager::Impl::loading(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(name);
  const Entry entry = found == names_.end() ? nullptr : table_.find(found->second.folder);
  if (entry == nullptr || entry->state != State::loading) return std::nullopt;
  return entry->progress.state();
}

ManagerStatus ModelManager::Impl::status() const {
  const std::lock_guard lock(mutex_);
  ManagerStatus status{{}, memory_, table_.used(), unseen()};
  const auto now = Clock::now();
  for (const Entry& entry : table_.entries()) status.models.push_back(table_.status_of(*entry, now));
  return status;
}

ModelManager::ModelManager(ModelSource source, ManagerOptions options)
    : impl_(std::make_shared<Impl>(std::move(source), std::move(options))) {
  impl_->start();
}
ModelManager::~ModelManager() { shutdown(); }

void ModelManager::acquire(const std::string& name, KeepAlive keep_alive, Callback callback) {
  impl_->acquire(name, keep_alive, std::move(callback));
}
bool ModelManager::unload(const std::string& name) { return impl_->unload(find(name).folder); }
std::optional<LoadState> ModelManager::loading(const std::string& name) const { return impl_->loading(name); }
void ModelManager::forget(const std::filesystem::path& folder) { impl_->forget(folder); }
StoredModel ModelManager::find(const std::string& name) const { return find_model(impl_->names(), name); }
std::vector<StoredModel> ModelManager::list() const { return impl_->names().models; }
ManagerStatus ModelManager::status() const { return impl_->status(); }
void ModelManager::shutdown() { impl_->shutdown(); }

}  // namespace glimt

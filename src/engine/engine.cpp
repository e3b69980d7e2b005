#include "engine/engine.h"

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/scheduling.h"
#include "engine/session.h"
#include "kernels/cpu/thread_pool.h"
#include "model/registry.h"

#include <algorithm>
#include <future>
#include <thread>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

// MLX frees buffers above this much; reusing them spares page faults in every step.
constexpr std::size_t kBufferCacheBytes = std::size_t{256} << 20;

// Where the free memory cannot be learned, and the least that is tried where there is little.
constexpr std::size_t kSmallCache = std::size_t{256} << 20;

std::vector<TokenId> eos_of_generation_config(const std::filesystem::path& folder, int vocab_size) {
  const std::filesystem::path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const json::value file = parse_json_file(path);
  return file.is_object() ? eos_token_ids(file.get_object(), vocab_size, path.string()) : std::vector<TokenId>();
}

std::size_t default_cache_memory(std::size_t weight_bytes) {
  const std::size_t available = available_memory();
  return std::max(kSmallCache, available > weight_bytes ? (available - weight_bytes) / 2 : 0);
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

struct Engine::Mailbox {
  struct Submission {
    SequenceId id;
    GenerationRequest request;
    std::shared_ptr<Stream> stream;
  };

  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false, stop = false, ended = false;
  SequenceId next_id = 1;
  std::vector<Submission> submissions;
  std::vector<std::packaged_task<void(EngineLoop&)>> tasks;

  // Written by the engine's thread.
  EngineMetrics metrics;
  std::optional<Clock::time_point> step_start;
  Clock::time_point step_end = Clock::now();

  std::chrono::seconds step_limit{0};
  std::thread thread;

  void wake() {
    {
      const std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_one();
  }
};

std::unique_ptr<Engine> Engine::load(const std::filesystem::path& folder, const EngineOptions& options) {
  const auto make = [&] {
    LoadedModel loaded = load_model(folder, {.exact = options.exact});
    std::vector<TokenId> eos = loaded.model->config().eos_token_id;
    for (const TokenId id : eos_of_generation_config(folder, loaded.model->config().vocab_size)) {
      if (std::find(eos.begin(), eos.end(), id) == eos.end()) eos.push_back(id);
    }
    return Loaded{std::move(loaded.model), loaded.weight_bytes, std::move(loaded.files), std::move(eos),
                  weights_fingerprint(folder)};
  };
  return std::make_unique<Engine>(make, options);
}

Engine::Engine(const std::function<Loaded()>& make, const EngineOptions& options)
    : mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->step_limit = options.step_limit;
  std::promise<void> ready;
  mailbox_->thread = std::thread([&, this] {
    std::unique_ptr<EngineLoop> loop;
    ask_for_short_turns();
    try {
      if (options.threads > 0) cpu::set_threads(options.threads);
      mx::set_cache_limit(kBufferCacheBytes);
      Loaded loaded = make();
      EngineOptions all = options;
      if (all.cache_memory == 0) all.cache_memory = default_cache_memory(loaded.weight_bytes);
      loop = std::make_unique<EngineLoop>(std::move(loaded.model), all);
      const PoolShape& shape = loop->shape();
      info_ = {.context = loop->context(),
               .vocab_size = static_cast<std::size_t>(loop->model().config().vocab_size),
               .has_mtp = loop->model().has_mtp(),
               .eos = std::move(loaded.eos),
               .weight_bytes = loaded.weight_bytes,
               .cache_bytes = static_cast<std::size_t>(loop->metrics().blocks) * shape.block_bytes(),
               .cache_bytes_per_token = shape.block_bytes() / kernels::kBlockRows};
      model_key_ = session_key(loaded.fingerprint, shape);
      mailbox_->metrics = loop->metrics();
      if (options.huge_pages && !loaded.files.empty())
        huge_pages_ = std::make_unique<HugePages>(std::move(loaded.files));
    } catch (...) {
      ready.set_exception(std::current_exception());
      return;
    }
    ready.set_value();
    run(*loop);
  });
  try {
    ready.get_future().get();
  } catch (...) {
    mailbox_->thread.join();
    throw;
  }
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->stop = true;
  }
  mailbox_->changed.notify_one();
  mailbox_->thread.join();
}

void Engine::run(EngineLoop& loop) {
  Mailbox& box = *mailbox_;
  bool busy = false;
  for (;;) {
    std::vector<Mailbox::Submission> submissions;
    std::vector<std::packaged_task<void(EngineLoop&)>> tasks;
    {
      std::unique_lock lock(box.mutex);
      box.metrics = loop.metrics();
      if (box.step_start) box.step_end = Clock::now();
      box.step_start.reset();
      if (!busy) {
        box.changed.wait(lock, [&] { return box.woken || box.stop || !box.submissions.empty() || !box.tasks.empty(); });
      }
      box.woken = false;
      if (box.stop) break;
      submissions.swap(box.submissions);
      tasks.swap(box.tasks);
      box.step_start = Clock::now();
    }
    for (auto& task : tasks) task(loop);
    for (Mailbox::Submission& s : submissions) loop.submit(s.id, std::move(s.request), s.stream);
    busy = loop.step();
  }
  loop.cancel_all();
  const std::lock_guard lock(box.mutex);
  box.ended = true;
  for (Mailbox::Submission& s : box.submissions) s.stream->push(GenerationResult{FinishReason::cancelled, {}});
  box.submissions.clear();
  box.tasks.clear();  // whoever waits gets a broken promise
}

std::shared_ptr<Stream> Engine::submit(GenerationRequest request) {
  auto stream = std::make_shared<Stream>([box = std::weak_ptr<Mailbox>(mailbox_)] {
    if (const auto alive = box.lock()) alive->wake();
  });
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->submissions.push_back({mailbox_->next_id++, std::move(request), stream});
  }
  mailbox_->changed.notify_one();
  return stream;
}

GenerationResult Engine::generate(GenerationRequest request, const PrefillCallback& on_prefill,
                                  const TokenCallback& on_token) {
  const std::shared_ptr<Stream> stream = submit(std::move(request));
  // Whatever happens here, the engine must not go on with it.
  struct Guard {
    Stream& stream;
    bool ended = false;
    ~Guard() {
      if (!ended) stream.cancel();
    }
  } guard{*stream};
  std::optional<FinishReason> reason;  // set when a callback has had enough
  std::size_t taken = 0;
  while (std::optional<StreamEvent> event = stream->next()) {
    if (auto* error = std::get_if<std::exception_ptr>(&*event)) {
      guard.ended = true;
      std::rethrow_exception(*error);
    }
    if (auto* result = std::get_if<GenerationResult>(&*event)) {
      guard.ended = true;
      if (reason) {
        result->reason = *reason;
        result->stats.generated_tokens = taken;
      }
      return *result;
    }
    if (reason) continue;  // the rest of what the engine did before it noticed
    if (const auto* progress = std::get_if<PrefillProgress>(&*event)) {
      if (on_prefill && !on_prefill(progress->done, progress->total)) reason = FinishReason::cancelled;
    } else {
      ++taken;
      if (!on_token(std::get<TokenEvent>(*event))) reason = FinishReason::stop;
    }
    if (reason) stream->cancel();
  }
  fail(ErrorKind::internal, "engine", "a stream ended without a result");
}

void Engine::on_thread(const std::function<void(EngineLoop&)>& work) {
  std::packaged_task<void(EngineLoop&)> task(work);
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mailbox_->mutex);
    if (mailbox_->ended) fail(ErrorKind::internal, "engine", "has ended");
    mailbox_->tasks.push_back(std::move(task));
  }
  mailbox_->changed.notify_one();
  done.get();
}

std::size_t Engine::save_session(const std::filesystem::path& file, std::span<const TokenId> tokens,
                                 const std::string& name_space) {
  EngineLoop::Prefix prefix;
  on_thread([&](EngineLoop& loop) { prefix = loop.read_prefix(name_space, tokens); });
  if (prefix.tokens.empty()) {
    fail(ErrorKind::not_found, "session", "the cache has no full block of {} tokens of this conversation",
         kernels::kBlockRows);
  }
  write_session(file, model_key_, prefix);
  return prefix.tokens.size();
}

std::size_t Engine::load_session(const std::filesystem::path& file, const std::string& name_space) {
  const EngineLoop::Prefix prefix = read_session(file, model_key_);
  std::size_t taken = 0;
  on_thread([&](EngineLoop& loop) { taken = loop.write_prefix(name_space, prefix); });
  return taken;
}

EngineMetrics Engine::metrics() const {
  const std::lock_guard lock(mailbox_->mutex);
  EngineMetrics metrics = mailbox_->metrics;
  if (huge_pages_) metrics.huge_page_bytes = huge_pages_->moved_bytes();
  return metrics;
}

EngineHealth Engine::health() const {
  const std::lock_guard lock(mailbox_->mutex);
  EngineHealth health;
  health.metrics = mailbox_->metrics;
  if (mailbox_->step_start) {
    health.step_seconds = seconds_since(*mailbox_->step_start);
  } else {
    health.idle_seconds = seconds_since(mailbox_->step_end);
  }
  health.ok = !mailbox_->ended && health.step_seconds <= static_cast<double>(mailbox_->step_limit.count());
  return health;
}

}  // namespace glimt

#include "engine/engine.h"

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/json.h"
#include "base/machine.h"
#include "base/memory.h"
#include "checkpoint/fingerprint.h"
#include "engine/engine_loop.h"
#include "engine/engine_thread.h"
#include "engine/load.h"
#include "engine/session_transfer.h"
#include "kernels/kernels.h"
#include "model/load_model.h"
#include "model/load_ranks.h"

#include <algorithm>
#include <future>
#include <map>
#include <optional>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

// What a GPU keeps for the steps themselves.
constexpr std::size_t kGpuWorkBytes = std::size_t{2} << 30;

// Where the free memory cannot be learned, and the least that is tried where there is little.
constexpr std::size_t kSmallCache = std::size_t{256} << 20;

std::vector<TokenId> eos_of_generation_config(const std::filesystem::path& folder, int vocab_size) {
  const std::filesystem::path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const json::value file = parse_json_file(path);
  return file.is_object() ? eos_token_ids(file.get_object(), vocab_size, path.string()) : std::vector<TokenId>();
}

// Beside weights of so many bytes that are to come into memory. On a GPU they are in its memory already.
std::size_t default_cache_memory(std::size_t weight_bytes) {
  if (!kernels::computes_on_cpu()) {
    const std::size_t free = kernels::gpu_memory().free;
    return std::max(kSmallCache, free > kGpuWorkBytes ? (free - kGpuWorkBytes) / 2 : 0);
  }
  const std::size_t available = available_memory();
  return std::max(kSmallCache, available > weight_bytes ? (available - weight_bytes) / 2 : 0);
}

void check_embedding(const GenerationRequest& request, const EngineInfo& info) {
  if (request.prompt.size() > info.context) {
    fail(ErrorKind::invalid_request, "prompt", "is {} tokens long, the context holds {}", request.prompt.size(),
         info.context);
  }
  if (request.grammar || request.thinking_budget) {
    fail(ErrorKind::invalid_request, "embed", "there is no answer that a grammar or a thinking budget could be for");
  }
}

void check(const GenerationRequest& request, const EngineInfo& info) {
  if (request.prompt.empty()) fail(ErrorKind::invalid_request, "prompt", "is empty");
  if (request.embed) {
    check_embedding(request, info);
  } else if (request.prompt.size() >= info.context) {
    fail(ErrorKind::invalid_request, "prompt", "is {} tokens long, the context holds {} for prompt and answer",
         request.prompt.size(), info.context);
  }
  for (const TokenId token : request.prompt) {
    if (token < 0 || static_cast<std::size_t>(token) >= info.vocab_size) {
      fail(ErrorKind::invalid_request, "prompt", "token {} is outside the vocabulary of {}", token, info.vocab_size);
    }
  }
  if (request.grammar && request.grammar->environment().vocab_width() != info.vocab_size) {
    fail(ErrorKind::invalid_request, "grammar", "is for a vocabulary of {}, the model's has {}",
         request.grammar->environment().vocab_width(), info.vocab_size);
  }
}

}  // namespace

// What the engine's thread and all others share. Streams know it, and may outlive the engine.
struct Mailbox {
  using Task = std::packaged_task<void(EngineLoop&)>;

  std::mutex mutex;
  std::condition_variable changed;
  bool woken = false, stop = false, ended = false;
  SequenceId next_id = 1;
  std::vector<std::unique_ptr<Sequence>> submissions;
  std::size_t taken = 0;              // submissions that the step at hand began with: in no other count yet
  std::map<std::string, int> queued;  // all that wait for their first turn, by name space
  std::vector<Task> tasks;

  // Written by the engine's thread.
  EngineMetrics metrics;
  bool stalled = false;

  void wake() {
    {
      const std::lock_guard lock(mutex);
      woken = true;
    }
    changed.notify_one();
  }
  std::size_t waiting() const { return submissions.size() + taken + static_cast<std::size_t>(metrics.waiting); }
};

class Engine::Impl {
 public:
  Impl(const std::function<EngineModel()>& make, const EngineOptions& options);
  ~Impl();

  std::shared_ptr<Stream> submit(GenerationRequest request);
  SessionTransfer transfer(const std::string& name_space);
  const EngineInfo& info() const { return info_; }
  EngineMetrics metrics() const;
  EngineHealth health() const;

 private:
  std::unique_ptr<EngineLoop> start(const std::function<EngineModel()>& make);
  void run(EngineLoop& loop);
  bool take_turn(EngineLoop& loop, bool busy);  // false: the engine is to end
  void end(EngineLoop& loop);
  void on_thread(const std::function<void(EngineLoop&)>& work);  // waits; throws what it throws
  std::string session_key(const std::string& name_space) const;

  EngineOptions options_;
  EngineInfo info_;
  std::size_t block_bytes_ = 0;
  std::unique_ptr<HugePages> huge_pages_;
  std::string model_key_;  // what a session file must agree with
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::shared_ptr<StepWatch> watch_;
  std::function<std::optional<std::string>()> broken_;  // ModelSigns::broken
  std::optional<EngineThread> thread_;
};

Engine::Impl::Impl(const std::function<EngineModel()>& make, const EngineOptions& options) : options_(options) {
  std::promise<void> ready;
  thread_.emplace([&, this] {
    ask_for_short_turns();
    std::unique_ptr<EngineLoop> loop;
    try {
      loop = start(make);
    } catch (...) {
      ready.set_exception(std::current_exception());
      return;
    }
    ready.set_value();
    run(*loop);
    loop.reset();
    mx::clear_cache();  // freed buffers of one model are of no use to another
  });
  ready.get_future().get();
}

std::unique_ptr<EngineLoop> Engine::Impl::start(const std::function<EngineModel()>& make) {
  EngineModel loaded = make();
  if (options_.cache_memory == 0)
    options_.cache_memory = default_cache_memory(loaded.weight_bytes - loaded.copied_bytes);
  auto loop = std::make_unique<EngineLoop>(std::move(loaded.model), options_);
  const PoolShape& shape = loop->shape();
  block_bytes_ = shape.block_bytes();
  info_ = {.context = loop->context(),
           .model_context = static_cast<std::size_t>(loop->model().max_context_length()),
           .vocab_size = static_cast<std::size_t>(loop->model().config().vocab_size),
           .has_mtp = loop->model().has_mtp(),
           .eos = std::move(loaded.eos),
           .weight_bytes = loaded.weight_bytes,
           .cache_bytes = static_cast<std::size_t>(loop->metrics().blocks) * block_bytes_,
           .cache_bytes_per_token = block_bytes_ / kernels::kBlockRows,
           .fingerprint = loaded.fingerprint};
  model_key_ =
      fmt::format("{}; {} layers of {} columns, {}, blocks of {}{}", loaded.fingerprint, shape.all_layers(),
                  shape.width, kernels::to_string(shape.type), kernels::kBlockRows, options_.exact ? ", exact" : "");
  mailbox_->metrics = loop->metrics();
  watch_ = loop->watch();
  broken_ = loop->model().signs().broken;
  if (options_.huge_pages && !loaded.files.empty()) huge_pages_ = std::make_unique<HugePages>(std::move(loaded.files));
  return loop;
}

Engine::Impl::~Impl() {
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->stop = true;
  }
  mailbox_->changed.notify_one();
  thread_->join();
}

void Engine::Impl::run(EngineLoop& loop) {
  bool busy = false;
  while (take_turn(loop, busy)) {
    try {
      busy = loop.step();
    } catch (...) {
      loop.fail_all(std::current_exception());
      busy = false;
    }
  }
  end(loop);
}

// Publishes how the engine stands, waits until there is work, and takes in what came meanwhile.
bool Engine::Impl::take_turn(EngineLoop& loop, bool busy) {
  Mailbox& box = *mailbox_;
  std::vector<std::unique_ptr<Sequence>> submissions;
  std::vector<Mailbox::Task> tasks;
  {
    std::unique_lock lock(box.mutex);
    box.metrics = loop.metrics();
    box.queued = loop.waiting_by_name_space();
    for (const auto& sequence : box.submissions) ++box.queued[sequence->request().name_space];
    box.stalled = loop.stalled();
    box.taken = 0;
    watch_->end(Clock::now());
    if (!busy) {
      box.changed.wait(lock, [&] { return box.woken || box.stop || !box.submissions.empty() || !box.tasks.empty(); });
    }
    box.woken = false;
    if (box.stop) return false;
    submissions.swap(box.submissions);
    tasks.swap(box.tasks);
    box.taken = submissions.size();
    watch_->begin(Clock::now());
  }
  for (Mailbox::Task& task : tasks) task(loop);
  for (std::unique_ptr<Sequence>& sequence : submissions) loop.submit(std::move(sequence));
  return true;
}

void Engine::Impl::end(EngineLoop& loop) {
  loop.cancel_all();
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->ended = true;
  for (const auto& sequence : mailbox_->submissions) {
    sequence->events().mark_cancelled(CancelReason::shutdown);
    sequence->finish(FinishReason::cancelled);
  }
  mailbox_->submissions.clear();
  mailbox_->tasks.clear();  // calls that wait for one of them fail with a broken promise
}

std::shared_ptr<Stream> Engine::Impl::submit(GenerationRequest request) {
  const auto events = std::make_shared<EventQueue>(request.most_unread_bytes, [box = std::weak_ptr<Mailbox>(mailbox_)] {
    if (const auto alive = box.lock()) alive->wake();
  });
  auto stream = std::make_shared<Stream>(events);
  SequenceId id = 0;
  {
    const std::lock_guard lock(mailbox_->mutex);
    const auto own = mailbox_->queued.find(request.name_space);
    if (!Scheduler::accepts(options_.queue, own == mailbox_->queued.end() ? 0 : own->second,
                            static_cast<int>(mailbox_->waiting()))) {
      events->end(std::make_exception_ptr(Error(
          ErrorKind::overloaded, fmt::format("engine: {} requests wait already; try again later", options_.queue))));
      return stream;
    }
    id = mailbox_->next_id++;
  }
  try {
    check(request, info_);
    auto sequence = std::make_unique<Sequence>(id, std::move(request), events, info_.vocab_size, info_.context);
    const std::lock_guard lock(mailbox_->mutex);
    ++mailbox_->queued[sequence->request().name_space];
    mailbox_->submissions.push_back(std::move(sequence));
  } catch (...) {
    events->end(std::current_exception());
    return stream;
  }
  mailbox_->changed.notify_one();
  return stream;
}

void Engine::Impl::on_thread(const std::function<void(EngineLoop&)>& work) {
  Mailbox::Task task(work);
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(mailbox_->mutex);
    if (mailbox_->ended) fail(ErrorKind::internal, "engine", "has ended");
    mailbox_->tasks.push_back(std::move(task));
  }
  mailbox_->changed.notify_one();
  done.get();
}

std::string Engine::Impl::session_key(const std::string& name_space) const {
  return name_space.empty() ? model_key_ : fmt::format("{}; of {}", model_key_, name_space);
}

SessionTransfer Engine::Impl::transfer(const std::string& name_space) {
  return SessionTransfer([this](const std::function<void(EngineLoop&)>& work) { on_thread(work); },
                         session_key(name_space), name_space, block_bytes_);
}

EngineMetrics Engine::Impl::metrics() const {
  const std::lock_guard lock(mailbox_->mutex);
  EngineMetrics metrics = mailbox_->metrics;
  metrics.waiting = static_cast<int>(mailbox_->waiting());
  if (huge_pages_) metrics.huge_page_bytes = huge_pages_->moved_bytes();
  return metrics;
}

EngineHealth Engine::Impl::health() const {
  const std::lock_guard lock(mailbox_->mutex);
  EngineHealth health;
  health.metrics = mailbox_->metrics;
  health.metrics.waiting = static_cast<int>(mailbox_->waiting());
  const StepWatch::View view = watch_->look(Clock::now());
  health.step_seconds = view.step_seconds;
  health.idle_seconds = view.idle_seconds;
  health.ok = !mailbox_->ended && !mailbox_->stalled && view.gets_on && !broken_();
  return health;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> EngineLoader::start(const std::function<EngineModel()>& make, const EngineOptions& options) {
  return std::unique_ptr<Engine>(new Engine(std::make_unique<Engine::Impl>(make, options)));
}

std::unique_ptr<Engine> Engine::load(const std::filesystem::path& folder, const EngineOptions& options) {
  const auto make = [&] {
    LoadedModel loaded =
        load_model(folder, {.exact = options.exact, .expand_prompts = options.expand_prompts, .ranks = options.ranks});
    std::vector<TokenId> eos = loaded.model->config().eos_token_id;
    for (const TokenId id : eos_of_generation_config(folder, loaded.model->config().vocab_size)) {
      if (std::find(eos.begin(), eos.end(), id) == eos.end()) eos.push_back(id);
    }
    return EngineModel{std::move(loaded.model),        loaded.weight_bytes, std::move(loaded.files), std::move(eos),
                       checkpoint_fingerprint(folder), loaded.copied_bytes};
  };
  return EngineLoader::start(make, options);
}

ProcessRank Engine::rank() { return process_rank(); }

void Engine::follow(const std::filesystem::path& folder, const EngineOptions& options) {
  std::optional<Place> place = place_from_environment();
  if (!place) fail(ErrorKind::invalid_request, "MLX_HOSTFILE", "is not set: there is no rank to follow");
  ask_for_short_turns();
  const LoadOptions load{.exact = options.exact, .expand_prompts = options.expand_prompts, .ranks = options.ranks};
  glimt::follow(folder, load, std::move(*place), [&](std::size_t weight_bytes) {
    return options.cache_memory > 0 ? options.cache_memory : default_cache_memory(weight_bytes);
  });
}

std::shared_ptr<Stream> Engine::submit(GenerationRequest request) { return impl_->submit(std::move(request)); }
std::size_t Engine::save_session(const std::filesystem::path& file, std::span<const TokenId> tokens,
                                 const std::string& name_space) {
  return impl_->transfer(name_space).save(file, tokens);
}
std::size_t Engine::load_session(const std::filesystem::path& file, const std::string& name_space) {
  return impl_->transfer(name_space).load(file);
}
const EngineInfo& Engine::info() const { return impl_->info(); }
EngineMetrics Engine::metrics() const { return impl_->metrics(); }
EngineHealth Engine::health() const { return impl_->health(); }

GenerationResult Engine::generate(GenerationRequest request, const PrefillCallback& on_prefill,
                                  const TokenCallback& on_token) {
  const std::shared_ptr<Stream> stream = submit(std::move(request));  // cancelled when this function is left
  std::optional<FinishReason> reason;                                 // set when a callback has had enough
  std::size_t taken = 0;
  while (std::optional<StreamEvent> event = stream->next()) {
    if (auto* error = std::get_if<std::exception_ptr>(&*event)) std::rethrow_exception(*error);
    if (auto* result = std::get_if<GenerationResult>(&*event)) {
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

}  // namespace glimt

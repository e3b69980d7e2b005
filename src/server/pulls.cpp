#include "server/pulls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

// One for all spellings of a name.
std::string key_of(const std::string& name) {
  const HubModel model = hub_model(name);
  return fmt::format("{}:{}", static_cast<int>(model.kind), model.name.text());
}

}  // namespace

void PullNews::add(const PullEvent& event) {
  newest_.insert_or_assign(event.file.empty() ? event.status : "/" + event.file, Numbered{++count_, event});
}

std::vector<PullEvent> PullNews::since(std::uint64_t& seen) const {
  std::vector<const Numbered*> fresh;
  for (const auto& [what, numbered] : newest_) {
    if (numbered.number > seen) fresh.push_back(&numbered);
  }
  std::sort(fresh.begin(), fresh.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
  std::vector<PullEvent> events;
  events.reserve(fresh.size());
  for (const Numbered* numbered : fresh) events.push_back(numbered->event);
  seen = count_;
  return events;
}

struct Pulls::Running {
  Running(std::string key_of_it, const std::string& name, PullOptions options)
      : key(std::move(key_of_it)), pull(name, std::move(options)) {}

  void run(const std::shared_ptr<Running>& before);
  void tell(const PullEvent& event);
  void wake() const;  // with the mutex

  const std::string key;
  Pull pull;
  std::thread thread;

  mutable std::mutex mutex;  // of what follows
  std::condition_variable changed;
  PullNews news;
  std::map<const Watch*, std::shared_ptr<Waker>> watches;
  bool given_up = false;  // nobody waits for it any more
  bool ended = false;
  std::exception_ptr error;
};

// `before`: a pull of the same model that was given up, whose parts are to be found.
void Pulls::Running::run(const std::shared_ptr<Running>& before) {
  std::exception_ptr failure;
  if (before) {
    std::unique_lock lock(before->mutex);
    before->changed.wait(lock, [&] { return before->ended; });
  }
  try {
    pull.run([this](const PullEvent& event) { tell(event); });
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex);
  error = std::move(failure);
  ended = true;
  wake();
  changed.notify_all();
}

void Pulls::Running::tell(const PullEvent& event) {
  if (pull_event_json(event).empty()) return;
  const std::lock_guard lock(mutex);
  news.add(event);
  wake();
}

void Pulls::Running::wake() const {
  for (const auto& [watch, waker] : watches) waker->post();
}

Pulls::Watch::Watch(std::shared_ptr<Running> running, std::shared_ptr<Waker> waker) : running_(std::move(running)) {
  const std::lock_guard lock(running_->mutex);
  running_->watches.emplace(this, std::move(waker));
}

Pulls::Watch::~Watch() {
  const std::lock_guard lock(running_->mutex);
  running_->watches.erase(this);
  if (!running_->watches.empty()) return;
  running_->given_up = true;
  running_->pull.cancel();
}

std::vector<PullEvent> Pulls::Watch::news() {
  const std::lock_guard lock(running_->mutex);
  return running_->news.since(seen_);
}

bool Pulls::Watch::ended() const {
  const std::lock_guard lock(running_->mutex);
  return running_->ended;
}

void Pulls::Watch::rethrow() const {
  const std::lock_guard lock(running_->mutex);
  if (running_->error) std::rethrow_exception(running_->error);
}

Pulls::~Pulls() {
  for (const auto& running : running_) running->pull.cancel();
  for (const auto& running : running_) running->thread.join();
}

// With the mutex. Their threads have nothing left to do.
void Pulls::join_ended() {
  running_.remove_if([](const std::shared_ptr<Running>& running) {
    {
      const std::lock_guard lock(running->mutex);
      if (!running->ended) return false;
    }
    running->thread.join();
    return true;
  });
}

std::unique_ptr<Pulls::Watch> Pulls::join(const std::string& name, PullOptions options, std::shared_ptr<Waker> waker) {
  const std::string key = key_of(name);
  const std::lock_guard lock(mutex_);
  join_ended();
  std::shared_ptr<Running> before;
  for (const auto& running : running_) {
    if (running->key != key) continue;
    auto watch = std::make_unique<Watch>(running, waker);
    const std::lock_guard own(running->mutex);
    if (!running->given_up) return watch;
    before = running;
  }
  if (running_.size() >= limits_.pulls) throw ApiError(ErrorKind::overloaded, over_limit(limits_, "pulls"));
  auto running = std::make_shared<Running>(key, name, std::move(options));
  auto watch = std::make_unique<Watch>(running, std::move(waker));
  running->thread = std::thread([running = running.get(), before] { running->run(before); });
  running_.push_back(std::move(running));
  return watch;
}

}  // namespace glimt

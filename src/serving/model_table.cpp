#include "serving/model_table.h"

#include <algorithm>

namespace glimt {
namespace {

using State = ModelStatus::State;

// Beyond this a time could not be added to a clock any more; it is for ever.
constexpr std::chrono::nanoseconds kForEver = std::chrono::hours(24 * 365 * 100);

template <typename Keep>
std::vector<ModelTable::Entry> only(const std::list<ModelTable::Entry>& entries, Keep keep) {
  std::vector<ModelTable::Entry> kept;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(kept), [&](const auto& e) { return keep(*e); });
  return kept;
}

bool was_used_earlier(const ModelTable::Entry& a, const ModelTable::Entry& b) { return a->last_used < b->last_used; }

}  // namespace

ModelEntry::Clock::time_point ModelEntry::expires() const {
  const bool stays = keep_alive.count() < 0 || keep_alive > kForEver;
  return stays ? Clock::time_point::max() : last_used + keep_alive;
}

ModelTable::Entry ModelTable::find(const std::filesystem::path& folder) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e->state != State::unloading && e->stored.folder == folder;
  });
  return found == entries_.end() ? nullptr : *found;
}

std::size_t ModelTable::used() const {
  std::size_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry->bytes;
  return bytes;
}

std::size_t ModelTable::committed() const {
  std::size_t bytes = 0;
  for (const Entry& entry : entries_) bytes += entry->state == State::unloading ? 0 : entry->bytes;
  return bytes;
}

std::optional<std::vector<ModelTable::Entry>> ModelTable::victims_for(std::size_t needed, std::size_t memory) const {
  std::vector<Entry> idle = only(entries_, [](const ModelEntry& e) { return e.is_idle(); });
  std::sort(idle.begin(), idle.end(), was_used_earlier);
  std::vector<Entry> victims;
  std::size_t taken = committed();
  for (auto next = idle.begin(); taken > memory || needed > memory - taken; ++next) {
    if (next == idle.end()) return std::nullopt;
    taken -= (*next)->bytes;
    victims.push_back(*next);
  }
  return victims;
}

std::vector<ModelTable::Entry> ModelTable::expired(Clock::time_point now) const {
  return only(entries_, [&](const ModelEntry& e) { return e.is_idle() && e.expires() <= now; });
}

ModelTable::Clock::time_point ModelTable::next_expiry() const {
  auto next = Clock::time_point::max();
  for (const Entry& entry : entries_) {
    if (entry->is_idle()) next = std::min(next, entry->expires());
  }
  return next;
}

ModelTable::Entry ModelTable::last_used() const {
  const auto loaded = only(entries_, [](const ModelEntry& e) { return e.state == State::loaded; });
  const auto last = std::max_element(loaded.begin(), loaded.end(), was_used_earlier);
  return last == loaded.end() ? nullptr : *last;
}

std::size_t ModelTable::waiting() const {
  std::size_t waiting = 0;
  for (const Entry& entry : entries_) waiting += entry->waiters.size();
  return waiting;
}

ModelStatus ModelTable::status_of(const ModelEntry& entry, Clock::time_point now) const {
  ModelStatus status{.model = entry.stored,
                     .state = entry.state,
                     .load = entry.progress.state(),
                     .bytes = entry.bytes,
                     .leases = entry.leases,
                     .waiting = static_cast<int>(entry.waiters.size())};
  if (entry.model != nullptr) {
    status.context = entry.model->resources().context;
    status.metrics = entry.model->metrics();
    status.health = entry.model->health();
  }
  const auto expires =
      entry.leases > 0 && entry.expires() != Clock::time_point::max() ? now + entry.keep_alive : entry.expires();
  if (expires != Clock::time_point::max()) {
    using System = std::chrono::system_clock;
    status.expires = System::now() + std::chrono::duration_cast<System::duration>(expires - now);
  }
  return status;
}

}  // namespace glimt

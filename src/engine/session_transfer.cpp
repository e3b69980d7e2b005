#include "engine/session_transfer.h"

#include "base/error.h"
#include "engine/session.h"

#include <list>
#include <vector>

namespace glimt {

using kernels::kBlockRows;

// A prefix among those that the engine holds.
class SessionTransfer::Held {
 public:
  explicit Held(const OnEngine& on_engine) : on_engine_(on_engine) {
    on_engine_(
        [this](EngineLoop& loop) { place_ = loop.held().insert(loop.held().end(), loop.cache().hold_nothing()); });
  }
  ~Held() {
    try {
      on_engine_([this](EngineLoop& loop) { loop.held().erase(place_); });
    } catch (...) {
      // The engine has ended, and its blocks with it.
    }
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  // `work` gets the cache and the prefix, on the engine's thread.
  template <typename Work>
  void with(const Work& work) const {
    on_engine_([&](EngineLoop& loop) { work(loop.cache(), *place_); });
  }

 private:
  const OnEngine& on_engine_;
  std::list<HeldPrefix>::iterator place_;
};

std::size_t SessionTransfer::save(const std::filesystem::path& file, std::span<const TokenId> tokens) const {
  const Held held(on_engine_);
  std::vector<TokenId> known;
  held.with([&](CacheSpace& cache, HeldPrefix& prefix) {
    prefix = cache.hold(name_space_, tokens);
    known = prefix.tokens;
  });
  if (known.empty()) {
    fail(ErrorKind::not_found, "session", "the cache has no full block of {} tokens of this conversation", kBlockRows);
  }
  SessionWriter writer(file, key_, known, block_bytes_);
  std::vector<std::byte> block(block_bytes_);
  for (int i = 0; i < static_cast<int>(known.size()) / kBlockRows; ++i) {
    held.with([&](CacheSpace& cache, HeldPrefix& prefix) { cache.read_block(prefix, i, block); });
    writer.append(block);
  }
  writer.commit();
  return known.size();
}

std::size_t SessionTransfer::load(const std::filesystem::path& file) const {
  SessionReader reader(file, key_, block_bytes_);
  const Held held(on_engine_);
  held.with([&](CacheSpace&, HeldPrefix& prefix) { prefix.tokens = reader.tokens(); });
  std::vector<std::byte> block(block_bytes_);
  bool room = true;
  for (std::size_t i = 0; i < reader.blocks(); ++i) {
    reader.next(block);  // also without room: the checksum is of the whole file
    if (!room) continue;
    held.with([&](CacheSpace& cache, HeldPrefix& prefix) { room = cache.append_block(prefix, block); });
  }
  reader.verify();
  std::size_t taken = 0;
  held.with([&](CacheSpace& cache, HeldPrefix& prefix) { taken = cache.remember(prefix, name_space_); });
  return taken;
}

}  // namespace glimt

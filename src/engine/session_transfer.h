// A conversation's rows between the engine's cache and a session file, one block at a time between the engine's steps.
#pragma once

#include "base/token.h"
#include "engine/engine_loop.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace glimt {

// Used by the thread that saves or loads. The blocks are held while that lasts, and given back however it ends.
class SessionTransfer {
 public:
  // Runs its argument on the engine's thread between two steps and waits for it; throws what that throws.
  using OnEngine = std::function<void(const std::function<void(EngineLoop&)>&)>;

  // `key`: what the file must agree with. block_bytes: of the engine's cache.
  SessionTransfer(OnEngine on_engine, std::string key, std::string name_space, std::size_t block_bytes)
      : on_engine_(std::move(on_engine)),
        key_(std::move(key)),
        name_space_(std::move(name_space)),
        block_bytes_(block_bytes) {}

  // As Engine::save_session and Engine::load_session.
  std::size_t save(const std::filesystem::path& file, std::span<const TokenId> tokens) const;
  std::size_t load(const std::filesystem::path& file) const;

 private:
  class Held;

  OnEngine on_engine_;
  std::string key_, name_space_;
  std::size_t block_bytes_;
};

}  // namespace glimt

// Names for responses, calls and items that no other one has.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

namespace glimt {

// Thread-safe.
class IdSource {
 public:
  IdSource();                             // seeded by the system
  explicit IdSource(std::uint64_t seed);  // always the same ids, for tests

  // next("call_") is "call_" and 24 letters and digits. The same never comes twice from one source.
  std::string next(std::string_view prefix);

 private:
  std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t count_ = 0;
};

}  // namespace glimt

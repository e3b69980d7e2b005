// What a thread of the pool will read next. A decode step reads the same weights in the same order for each token,
// except for the experts', so that what followed a matrix last time mostly follows it again. Pure; one object a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace glimt::cpu {

// Neighbouring bytes. Not owned, and never read by those below: they may be gone.
struct MemoryRange {
  const unsigned char* at = nullptr;
  std::size_t bytes = 0;
};

class ReadOrder {
 public:
  // The thread reads `now`, after what it was told before. Returns what it will probably read then; nothing if that is
  // not known, or was something else lately.
  MemoryRange after(MemoryRange now);

 private:
  struct Entry {
    const unsigned char* at = nullptr;
    MemoryRange next;
    int certainty = 0;  // how often it came true, 0 .. 3; less with each time it did not
  };
  static constexpr std::size_t kEntries = 8192;  // 47 layers with 64 experts; more take each other's places

  Entry& entry(const unsigned char* at);
  void learn(const unsigned char* at, MemoryRange next);

  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
  const unsigned char* last_ = nullptr;
};

}  // namespace glimt::cpu

// The threads of the CPU kernels. Each begins with a range of small items of its own and then helps with the others',
// so a thread that the system takes off its core delays one item and not the whole step; a thread without work spins
// for some microseconds (the next kernel of the same step usually comes by then) and then sleeps. While it spins, it
// fetches into its cache what it will probably read next.
#pragma once

#include "kernels/cpu/read_order.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace glimt::cpu {

// Calls body(i) once for every i < count, on the caller and the pool's threads, and returns when all are done. `body`
// must not throw. Calls from several threads at once take turns; do not nest.
template <typename Body>
void parallel_for(std::size_t count, const Body& body);

// The same for items that read much memory: reads(first, last) is the MemoryRange that a thread reads first whose range
// is the items first .. last.
template <typename Body, typename Reads>
void parallel_for(std::size_t count, const Body& body, const Reads& reads);

// The first one, on the caller alone unless `worth_waking`: below some microseconds, waking the others costs more than
// it gains.
template <typename Body>
void parallel_for_if(bool worth_waking, std::size_t count, const Body& body);

// How many threads take part: base/machine.h's usable_cores(), or what set_threads gave.
int threads();

// How many items the callers of all loops have done so far: it grows while a kernel gets on. Costs the threads next to
// nothing, and never waits.
std::uint64_t items_done();

// Of the whole process. Throws invalid_request unless 1 <= count <= kMostThreads. Waits for running work. Where the
// system refuses to start so many, those that it did start do the work; threads() says how many.
constexpr int kMostThreads = 1024;
void set_threads(int count);

namespace detail {
using ItemFunction = void (*)(const void* body, std::size_t item);
using ReadsFunction = MemoryRange (*)(const void* reads, std::size_t first, std::size_t last);
struct Loop {
  std::size_t count;
  ItemFunction item;
  const void* body;
  ReadsFunction reads = nullptr;
  const void* reads_with = nullptr;
};
void run_parallel(const Loop& loop);

template <typename Body>
Loop loop_of(std::size_t count, const Body& body) {
  return {count, [](const void* b, std::size_t item) { (*static_cast<const Body*>(b))(item); }, std::addressof(body)};
}
}  // namespace detail

template <typename Body>
void parallel_for(std::size_t count, const Body& body) {
  if (count == 1) {
    body(std::size_t{0});
  } else if (count > 1) {
    detail::run_parallel(detail::loop_of(count, body));
  }
}

template <typename Body, typename Reads>
void parallel_for(std::size_t count, const Body& body, const Reads& reads) {
  if (count == 0) return;
  detail::Loop loop = detail::loop_of(count, body);
  loop.reads = [](const void* r, std::size_t first, std::size_t last) {
    return (*static_cast<const Reads*>(r))(first, last);
  };
  loop.reads_with = std::addressof(reads);
  detail::run_parallel(loop);
}

template <typename Body>
void parallel_for_if(bool worth_waking, std::size_t count, const Body& body) {
  if (worth_waking) {
    parallel_for(count, body);
  } else {
    for (std::size_t i = 0; i < count; ++i) body(i);
  }
}

}  // namespace glimt::cpu

// The threads of the CPU kernels. Each begins with a range of small items of its own and then helps with the others', so a
// thread that the system takes off its core delays one item and not the whole step; a thread without work spins for some
// microseconds (the next kernel of the same step usually comes by then) and then sleeps.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace glimt::cpu {

// Calls body(i) once for every i < count, on the caller and the pool's threads, and returns when all are done. `body`
// must not throw. Calls from several threads at once take turns; do not nest.
template <typename Body>
void parallel_for(std::size_t count, const Body& body);

// The same, on the caller alone unless `worth_waking`: below some microseconds, waking the others costs more than it gains.
template <typename Body>
void parallel_for_if(bool worth_waking, std::size_t count, const Body& body);

// How many threads take part: one for each physical core that the process may run on, or what set_threads gave.
int threads();

// REQUIRES 1 <= count <= 1024. Waits for running work.
void set_threads(int count);

namespace detail {
using ItemFunction = void (*)(const void* body, std::size_t item);
void run_parallel(std::size_t count, ItemFunction function, const void* body);
}  // namespace detail

template <typename Body>
void parallel_for(std::size_t count, const Body& body) {
  if (count == 1) {
    body(std::size_t{0});
  } else if (count > 1) {
    detail::run_parallel(
        count, [](const void* b, std::size_t item) { (*static_cast<const Body*>(b))(item); }, std::addressof(body));
  }
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

// A loop over pieces of work that read and write files, on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace glimt::convert {

// Calls body(piece, thread) once for every piece < count, on the caller (thread 0) and threads 1 .. threads - 1, in about
// the order of the pieces. The first exception ends the loop and is thrown here, after all threads have come to rest.
void for_each_piece(std::size_t count, int threads, const std::function<void(std::size_t, std::size_t)>& body);

}  // namespace glimt::convert

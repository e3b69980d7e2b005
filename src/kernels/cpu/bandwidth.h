#pragma once

namespace glimt::cpu {

// Bytes a second that the pool's threads read from memory (a sum over a buffer far larger than the caches), best of a
// few passes: the limit that a decode step is measured against.
double measure_read_bandwidth();

}  // namespace glimt::cpu

// The machine's memory.
#pragma once

#include <cstddef>

namespace glimt {

// Bytes that programs may still take without swapping, page cache that can be dropped included; all of the machine's
// where the system does not say; 0 if nothing is known. A container's limit counts.
std::size_t available_memory();

}  // namespace glimt

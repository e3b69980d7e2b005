// Sizes as the program shows them.
#pragma once

#include <cstddef>
#include <string>

namespace glimt {

// "5.0 kB", "69.0 MB", "16.90 GB", in powers of 1000.
std::string describe_bytes(std::size_t count);

}  // namespace glimt

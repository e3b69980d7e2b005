// The machine's memory.
#pragma once

#include <cstddef>
#include <filesystem>

namespace glimt {

// Bytes that programs may still take without swapping, page cache that can be dropped included; all of the machine's
// where the system does not say; 0 if nothing is known. The limits of the process' control groups count. `root`: where
// the system's files are.
std::size_t available_memory(const std::filesystem::path& root = "/");

// Gives memory that was freed, and that the allocator keeps for later, back to the system, where that can be done.
void release_unused_memory();

// What a huge page takes on the systems that this program knows them on.
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Address space for `bytes` at a multiple of kHugePage, without memory behind it, to be mapped over and unmapped by the
// caller; nullptr if there is none.
std::byte* reserve_aligned(std::size_t bytes);

}  // namespace glimt

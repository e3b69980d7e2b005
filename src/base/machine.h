// The machine and the system under the program. With memory.h and huge_pages.cpp this is the only place that asks which
// operating system it is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace glimt {

// Cores that this process may keep busy, at least 1: those of its affinity mask, where a core with several logical
// processors counts once, but no more than its control groups give it time for (rounded).
int usable_cores();

// The same for these logical processors and the system whose files are under `root`.
int usable_cores(const std::vector<int>& processors, const std::filesystem::path& root);

// Bytes of a core's second-level cache; 0 if the system does not tell.
std::size_t second_level_cache();

// Asks for short turns on the CPU: beside other busy programs the calling thread, and those it starts, get the same
// share in smaller pieces, so that threads that wait for each other wait less. Linux 6.12 and later; nothing elsewhere.
void ask_for_short_turns();

// The calling thread gets about a tenth of a core that other threads want, too. Linux; nothing elsewhere.
void ask_for_low_priority();

// This program's file and its folder, links followed; empty if the system does not tell.
std::filesystem::path executable_path();
std::filesystem::path executable_folder();

// The most memory that this process has held so far, in bytes; mapped files count where they were touched.
std::size_t peak_resident_bytes();

}  // namespace glimt

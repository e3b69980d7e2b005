// What the operating system is asked for on behalf of a thread.
#pragma once

namespace glimt {

// Asks for short turns on the CPU: beside other busy programs the calling thread, and those it starts, get the same share in
// smaller pieces, so that threads that wait for each other wait less. Linux 6.12 and later; nothing elsewhere.
void ask_for_short_turns();

}  // namespace glimt

// A rank on another machine: ssh starts glimt there, which starts the rank and watches over it.
//
// The settings go through ssh's standard input and not its command line, which every user of the machine can read. When
// that input ends, because the launcher closes it, dies, or the network is gone, the rank is ended.
#pragma once

#include "launch/launcher.h"
#include "launch/rank_settings.h"

#include <string>

namespace glimt::launch {

// The option with which `executable` on the other machine calls watch_rank().
inline constexpr const char* kWatchOption = "--watch-rank";

// `host` as ssh calls it; `executable` is a path on that machine.
Rank remote_rank(const RankSettings& settings, const std::string& host, const std::string& executable);

// On the other machine: reads settings from descriptor `input`, runs the rank as a process of `executable` with this
// process' output, and returns its status. Ends the rank when `input` does, with SIGTERM, after 5 s with SIGKILL.
// Throws invalid_request for settings that are none.
int watch_rank(int input, const std::string& executable);

}  // namespace glimt::launch

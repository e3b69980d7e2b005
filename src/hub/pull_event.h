// What a pull tells whoever waits for it.
#pragma once

#include "base/json.h"

#include <cstdint>
#include <string>

namespace glimt {

// In the words of Ollama's events: "pulling manifest", "pulling DIGEST" (of a file, with its bytes), "verifying sha256
// digest", "writing manifest", "success". Besides, about ten times a second, an event without a file: "pulling", or
// "waiting" when the hub asks for patience.
struct PullEvent {
  std::string status;
  std::string file = {};        // its path
  std::string digest = {};      // "sha256:…", or "sha1:…" of a git blob
  std::uint64_t total = 0;      // bytes of the file
  std::uint64_t completed = 0;  // of these, here
  std::uint64_t all_total = 0;  // bytes of all files that are known to be needed
  std::uint64_t all_completed = 0;
  double wait_seconds = 0;
};

// A line of Ollama's POST /api/pull, with the file's name in "file"; empty for "pulling", of which there are too many.
json::object pull_event_json(const PullEvent& event);

}  // namespace glimt

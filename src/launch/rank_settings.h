// What a rank has to know, and the program that it becomes with it. One line of JSON for a rank on another machine.
#pragma once

#include "launch/child.h"
#include "launch/host_file.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt::launch {

struct RankSettings {
  int rank = 0;
  Ring ring = {};                         // of all ranks; empty if there is only one
  std::string token = {};                 // the same for all ranks of a launch, and known to them alone
  std::vector<std::string> envs = {};     // NAME=VALUE
  std::string folder = {};                // to work in, if the machine has it
  std::vector<std::string> command = {};  // of glimt: run MODEL …
};

// 32 hexadecimal digits that nobody can guess.
std::string random_token();

// A line, with its end. Throws invalid_request if it is too long for a rank on another machine.
std::string to_line(const RankSettings& settings);

// Throws invalid_request, which names the field.
RankSettings settings_from_line(std::string_view line);

// The file that MLX_HOSTFILE names. It has no name in any folder, so that nothing is left of it.
class RingFile {
 public:
  explicit RingFile(const Ring& ring);  // throws internal
  ~RingFile();
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;

  int fd() const { return fd_; }  // for Program::files

 private:
  int fd_;
};

// This rank as a process of `executable`: MLX_RANK, MLX_HOSTFILE and GLIMT_LAUNCH_TOKEN say to it which one it is.
Program rank_program(const RankSettings& settings, const std::string& executable, const RingFile& ring_file);

}  // namespace glimt::launch

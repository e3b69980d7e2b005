// What a rank says, line by line with the rank in front.
#pragma once

#include <string>
#include <string_view>

namespace glimt::launch {

// Cuts bytes as they arrive into lines, so that lines of several ranks do not mix. One for each stream of a rank; used
// by one thread.
class LinePrefix {
 public:
  explicit LinePrefix(int rank);

  // The lines that are complete now, each with "[RANK] " in front and its end. A line of more than 8 KiB is cut.
  std::string push(std::string_view bytes);

  // At the end of the stream: what is left, as a line.
  std::string flush();

 private:
  std::string prefix_;
  std::string line_;  // what has come of the next line
};

}  // namespace glimt::launch

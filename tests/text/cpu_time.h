#pragma once

#include <ctime>

namespace glimt {

// CPU time of this process since construction, which a busy machine does not stretch.
class CpuTime {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

}  // namespace glimt

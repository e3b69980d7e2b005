#include "convert/loops.h"

namespace glimt::convert {

namespace portable {
extern const Loops kLoops;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Loops kLoops;
}
namespace avx512 {
extern const Loops kLoops;
}
#endif

std::vector<const Loops*> supported_loops() {
  std::vector<const Loops*> all = {&portable::kLoops};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) all.push_back(&avx2::kLoops);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    all.push_back(&avx512::kLoops);
  }
#endif
  return all;
}

const Loops& loops() {
  static const Loops& chosen = *supported_loops().back();
  return chosen;
}

}  // namespace glimt::convert

#include "kernels/cpu/isa.h"

#include "base/error.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <cstdlib>
#include <string_view>

namespace glimt::cpu {

namespace scalar {
extern const Isa kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Isa kTable;
}
namespace avx512 {
extern const Isa kTable;
}
#elif defined(__aarch64__)
namespace neon {
extern const Isa kTable;
}
namespace neon_dotprod {
extern const Isa kTable;
}
#endif

namespace {

#if defined(__aarch64__)
// Whether this CPU has the dot products of ARMv8.2 (sdot, udot).
bool has_dot_products() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t bytes = sizeof has;
  return ::sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &bytes, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
#endif

const Isa& choose() {
  const std::vector<const Isa*> tables = supported_isas();
  const char* wanted = std::getenv("GLIMT_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return *tables.back();
  std::string names;
  for (const Isa* candidate : tables) {
    if (std::string_view(candidate->name) == wanted) return *candidate;
    names += std::string(names.empty() ? "" : ", ") + candidate->name;
  }
  fail(ErrorKind::unsupported, "GLIMT_CPU_ISA", "this CPU has {}, not '{}'", names, wanted);
}

}  // namespace

std::vector<const Isa*> supported_isas() {
  std::vector<const Isa*> tables = {&scalar::kTable};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2::kTable);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni")) {
    tables.push_back(&avx512::kTable);
  }
#elif defined(__aarch64__)
  tables.push_back(&neon::kTable);  // every aarch64 CPU has it
  if (has_dot_products()) tables.push_back(&neon_dotprod::kTable);
#endif
  return tables;
}

const Isa& isa() {
  static const Isa& chosen = choose();
  return chosen;
}

}  // namespace glimt::cpu

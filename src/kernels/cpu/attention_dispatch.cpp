#include <string_view>

#include "base/error.h"
#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/isa.h"

namespace glimt::cpu {

namespace scalar {
extern const AttentionKernel kExactAttention;
}
#if defined(__x86_64__)
namespace avx2 {
extern const AttentionKernel kExactAttention, kFastAttention;
}
namespace avx512 {
extern const AttentionKernel kExactAttention, kFastAttention;
}
namespace avx512bf16 {
extern const AttentionKernel kFastAttention;
}
#elif defined(__aarch64__)
namespace neon {
extern const AttentionKernel kExactAttention;
}
#endif

std::vector<const AttentionKernel*> supported_attention_kernels() {
  std::vector<const AttentionKernel*> kernels;
  const auto add = [&](const AttentionKernel& kernel) {
    for (const Isa* one : supported_isas()) {
      if (std::string_view(one->name) == kernel.isa) kernels.push_back(&kernel);
    }
  };
  add(scalar::kExactAttention);
#if defined(__x86_64__)
  add(avx2::kExactAttention);
  add(avx2::kFastAttention);
  add(avx512::kExactAttention);
  add(avx512::kFastAttention);
  if (__builtin_cpu_supports("avx512bf16")) add(avx512bf16::kFastAttention);
#elif defined(__aarch64__)
  add(neon::kExactAttention);
#endif
  return kernels;
}

namespace {

// Whether the kernel belongs to the chosen instruction set or to a lesser one: some sets (neon_dotprod) bring nothing
// for attention.
bool is_within_choice(const AttentionKernel& kernel) {
  for (const Isa* one : supported_isas()) {
    if (std::string_view(one->name) == kernel.isa) return true;
    if (one == &isa()) return false;
  }
  return false;
}

}  // namespace

const AttentionKernel& attention_kernel(RowType format, int key_width, bool exact) {
  static const std::vector<const AttentionKernel*> kernels = supported_attention_kernels();
  const AttentionKernel* best = nullptr;
  for (const AttentionKernel* kernel : kernels) {
    const bool fits = is_within_choice(*kernel) && (kernel->exact || !exact) &&
                      (kernel->reads_f32 || format != RowType::f32) && key_width % kernel->width_step == 0;
    if (fits) best = kernel;
  }
  if (best == nullptr) fail(ErrorKind::internal, "attention_kernel", "none for {}", isa().name);
  return *best;
}

}  // namespace glimt::cpu

#include "kernels/paged_rows.h"

#include "kernels/cpu/mla_rows.h"

namespace glimt::kernels {

static_assert(kBlockRows == cpu::kKeyBlock, "a block of the cache is a block of keys");

std::string_view to_string(RowType type) {
  switch (type) {
    case RowType::f32: return "f32";
    case RowType::bf16: return "bf16";
    case RowType::q8: return "q8";
  }
  return "?";
}

int row_count(const Step& step) {
  int rows = 0;
  for (const StepSequence& sequence : step) rows += sequence.length;
  return rows;
}

}  // namespace glimt::kernels

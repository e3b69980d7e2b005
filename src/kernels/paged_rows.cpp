#include "kernels/paged_rows.h"

namespace glimt::kernels {

int row_count(const Step& step) {
  int rows = 0;
  for (const StepSequence& sequence : step) rows += sequence.length;
  return rows;
}

}  // namespace glimt::kernels

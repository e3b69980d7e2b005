#include <arm_neon.h>

#define GLIMT_ISA neon_dotprod
#define GLIMT_ISA_NAME "neon_dotprod"
#define GLIMT_LANES 4
#define GLIMT_TILE_X 4
#define GLIMT_TILE_W 4
#define GLIMT_INTEGER_KERNELS "kernels/cpu/integer_neon.inc"
#include "kernels/cpu/kernels.inc"

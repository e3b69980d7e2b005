#define GLIMT_ISA neon
#define GLIMT_ISA_NAME "neon"
#define GLIMT_LANES 4
#define GLIMT_TILE_X 4
#define GLIMT_TILE_W 4
#define GLIMT_INTEGER_KERNELS "kernels/cpu/integer_generic.inc"
#include "kernels/cpu/kernels.inc"

#define GLIMT_ISA scalar
#define GLIMT_ISA_NAME "scalar"
#define GLIMT_LANES 4
#define GLIMT_TILE_X 2
#define GLIMT_TILE_W 4
#define GLIMT_INTEGER_KERNELS "kernels/cpu/integer_generic.inc"
#include "kernels/cpu/kernels.inc"

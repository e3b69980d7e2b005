#define GLIMT_ISA avx512
#define GLIMT_ISA_NAME "avx512"
#define GLIMT_LANES 16
#define GLIMT_TILE_X 4
#define GLIMT_TILE_W 4
#include "kernels/cpu/kernels.inc"

#define GLIMT_ISA avx2
#define GLIMT_ISA_NAME "avx2"
#define GLIMT_LANES 8
#define GLIMT_TILE_X 2
#define GLIMT_TILE_W 4
#include "kernels/cpu/kernels.inc"

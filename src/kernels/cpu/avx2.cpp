#include <immintrin.h>

#define GLIMT_ISA avx2
#define GLIMT_ISA_NAME "avx2"
#define GLIMT_LANES 8
#define GLIMT_TILE_X 2
#define GLIMT_TILE_W 4
#define GLIMT_INTEGER_KERNELS "kernels/cpu/integer_avx2.inc"
#include "kernels/cpu/kernels.inc"

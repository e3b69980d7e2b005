#include <immintrin.h>

#define GLIMT_ISA avx512
#define GLIMT_ISA_NAME "avx512"
#define GLIMT_LANES 16
#define GLIMT_TILE_X 4
#define GLIMT_TILE_W 4
#define GLIMT_INTEGER_KERNELS "kernels/cpu/integer_avx512.inc"
#include "kernels/cpu/kernels.inc"

#define GLIMT_ISA avx512_i16
#define GLIMT_ISA_NAME "avx512"
#define GLIMT_LANES 16
#define GLIMT_SCORE_TILE 3
#define GLIMT_KEY_TILE 8
#define GLIMT_VALUE_ROWS 5
#define GLIMT_VALUE_TILE 4
#include "kernels/cpu/attention_i16.inc"

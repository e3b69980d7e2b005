#define GLIMT_ISA avx2_i16
#define GLIMT_ISA_NAME "avx2"
#define GLIMT_LANES 8
#define GLIMT_SCORE_TILE 2
#define GLIMT_KEY_TILE 4
#define GLIMT_VALUE_ROWS 5
#define GLIMT_VALUE_TILE 2
#include "kernels/cpu/attention_i16.inc"

#define GLIMT_ISA neon
#define GLIMT_ISA_NAME "neon"
#define GLIMT_LANES 4
#define GLIMT_SCORE_TILE 5
#define GLIMT_VALUE_ROWS 5
#define GLIMT_VALUE_TILE 4
#include "kernels/cpu/attention_f32.inc"

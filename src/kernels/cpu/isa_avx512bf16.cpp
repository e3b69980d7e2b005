// Attention for AVX-512 with bfloat16 dot products.
#define GLIMT_ISA avx512bf16
#define GLIMT_ISA_NAME "avx512"

#include "kernels/cpu/vector/avx512.h"

#include "kernels/cpu/generic/attention_bf16-inl.h"

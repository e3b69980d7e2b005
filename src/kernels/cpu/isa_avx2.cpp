// The CPU kernels for AVX2 with FMA and F16C.
#define GLIMT_ISA avx2
#define GLIMT_ISA_NAME "avx2"

#include "kernels/cpu/vector/avx2.h"

#include "kernels/cpu/generic/attention_f32-inl.h"
#include "kernels/cpu/generic/attention_i16-inl.h"
#include "kernels/cpu/generic/dot_integer-inl.h"
#include "kernels/cpu/generic/table-inl.h"

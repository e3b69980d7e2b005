// The CPU kernels for AVX-512 with VNNI.
#define GLIMT_ISA avx512
#define GLIMT_ISA_NAME "avx512"

#include "kernels/cpu/vector/avx512.h"

#include "kernels/cpu/generic/attention_f32-inl.h"
#include "kernels/cpu/generic/attention_i16-inl.h"
#include "kernels/cpu/generic/dot_integer-inl.h"
#include "kernels/cpu/generic/table-inl.h"

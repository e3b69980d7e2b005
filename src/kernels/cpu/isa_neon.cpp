// The CPU kernels for NEON.
#define GLIMT_ISA neon
#define GLIMT_ISA_NAME "neon"

#include "kernels/cpu/vector/neon.h"

#include "kernels/cpu/generic/attention_f32-inl.h"
#include "kernels/cpu/generic/dot_plain-inl.h"
#include "kernels/cpu/generic/table-inl.h"

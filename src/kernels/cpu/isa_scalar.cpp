// The CPU kernels for any CPU.
#define GLIMT_ISA scalar
#define GLIMT_ISA_NAME "scalar"

#include "kernels/cpu/vector/portable.h"

#include "kernels/cpu/generic/attention_f32-inl.h"
#include "kernels/cpu/generic/dot_plain-inl.h"
#include "kernels/cpu/generic/table-inl.h"

// The matrix kernels for NEON with dot products; attention gains nothing by them.
#define GLIMT_ISA neon_dotprod
#define GLIMT_ISA_NAME "neon_dotprod"

#include "kernels/cpu/vector/neon_dotprod.h"

#include "kernels/cpu/generic/table-inl.h"

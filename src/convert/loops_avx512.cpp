// The loops of conversion for AVX-512.
#define GLIMT_LOOPS avx512
#include "convert/generic/loops-inl.h"

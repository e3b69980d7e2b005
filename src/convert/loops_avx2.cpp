// The loops of conversion for AVX2.
#define GLIMT_LOOPS avx2
#include "convert/generic/loops-inl.h"

// The loops of conversion for any CPU.
#define GLIMT_LOOPS portable
#include "convert/generic/loops-inl.h"

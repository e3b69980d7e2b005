// The table of one instruction set (isa.h). The including file brings the integer products: dot_integer-inl.h,
// dot_plain-inl.h or vector/neon_dotprod.h.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/generic/dot_plain-inl.h"
#endif
#include "kernels/cpu/generic/decode-inl.h"
#include "kernels/cpu/generic/dot_float-inl.h"
#include "kernels/cpu/generic/quantize-inl.h"
#include "kernels/cpu/generic/silu-inl.h"
#include "kernels/cpu/generic/widen-inl.h"

namespace glimt::cpu::GLIMT_ISA {

extern const Isa kTable;
const Isa kTable = {GLIMT_ISA_NAME, decode_row,       dot,       dot_bf16,        quantize_row, expand_scales,
                    widen_codes,    kReadsBf16Scales, kTileRows, interleave_rows, dot_integer,  silu_multiply};

}  // namespace glimt::cpu::GLIMT_ISA

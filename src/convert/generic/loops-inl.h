// The table of one instruction set (loops.h). The including file names it with GLIMT_LOOPS.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/affine-inl.h"
#include "convert/generic/decode-inl.h"
#include "convert/generic/fp-inl.h"
#include "convert/generic/search-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

void quantize(const Quantization& q, Dtype type, const float* values, std::size_t n, const PackedParts& out) {
  with_type(type, [&](auto t) {
    using T = decltype(t);
    switch (q.mode) {
      case QuantMode::affine: return affine_quantize<T>(q, values, n, out);
      case QuantMode::mxfp4: return fp_quantize<T, QuantMode::mxfp4>(values, n, out);
      case QuantMode::mxfp8: return fp_quantize<T, QuantMode::mxfp8>(values, n, out);
      case QuantMode::nvfp4: return fp_quantize<T, QuantMode::nvfp4>(values, n, out);
    }
  });
}

}  // namespace

extern const Loops kLoops;
#define GLIMT_LOOPS_TEXT(name) #name
#define GLIMT_LOOPS_NAME(name) GLIMT_LOOPS_TEXT(name)
const Loops kLoops = {GLIMT_LOOPS_NAME(GLIMT_LOOPS), widen, narrow, first_not_finite, quantize, search, decode};

}  // namespace glimt::convert::GLIMT_LOOPS

// The two ways through kv_b_proj. They compute the same but for rounding.
#pragma once

#include <cstdint>

namespace glimt::kernels {

enum class MlaForm : std::uint8_t {
  automatic,  // the cheaper one
  absorbed,   // queries move into latent space: no work a key, more work a (query, key) pair
  expanded,   // keys and values of all heads are made from the latents first
};

struct MlaSizes;

// Whether the expanded form of `queries` that see `keys`, in `pairs` of both, has fewer multiply-adds. The absorbed form
// costs 2 latent + rope a pair and head and projects every query, the expanded one costs nope + rope + v and projects
// every key.
bool expand_pays(double pairs, int queries, int keys, const MlaSizes& sizes);

}  // namespace glimt::kernels

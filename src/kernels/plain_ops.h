// Every operation in plain MLX operations, on MLX's default device: what GPUs run, and what the tests of every other
// table compare with.
#pragma once

#include <cstdint>

namespace glimt::kernels {

struct Ops;

// The two ways through kv_b_proj. They compute the same; tests ask for one of them.
enum class MlaForm : std::uint8_t {
  automatic,  // the cheaper one
  absorbed,   // queries move into latent space: no work a key, more work a (query, key) pair
  expanded,   // keys and values of all heads are made from the latents first
};

const Ops& plain_ops(MlaForm form = MlaForm::automatic);

}  // namespace glimt::kernels

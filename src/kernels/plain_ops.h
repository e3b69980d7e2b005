// Every operation in plain MLX operations, on MLX's default device: what GPUs run, and what the tests of every other
// table compare with.
#pragma once

#include "kernels/mla_form.h"

namespace glimt::kernels {

struct Ops;

// `form`: tests ask for one of them.
const Ops& plain_ops(MlaForm form = MlaForm::automatic);

}  // namespace glimt::kernels

#include "kernels/plain_ops.h"

#include "kernels/ops.h"
#include "kernels/plain.h"

namespace glimt::kernels {
namespace {

template <MlaForm form>
constexpr Ops kPlainOps{.name = "mlx",
                        .takes_stored_weights = false,
                        .joins_gate_and_up = true,
                        .mla_form = form,
                        .prefill_rows = 2048,  // a GPU needs many for its experts
                        .prepare = plain::prepared,
                        .prepare_heads = plain::dense_heads,
                        .linear = plain::linear,
                        .embedding = plain::embedding,
                        .swiglu = plain::swiglu,
                        .experts = plain::experts,
                        .route = plain::route,
                        .rms_norm = plain::rms_norm,
                        .add_rms_norm = plain::add_rms_norm,
                        .mla = plain::mla,
                        .make_rows = plain::make_rows};

}  // namespace

const Ops& plain_ops(MlaForm form) {
  switch (form) {
    case MlaForm::absorbed: return kPlainOps<MlaForm::absorbed>;
    case MlaForm::expanded: return kPlainOps<MlaForm::expanded>;
    case MlaForm::automatic: break;
  }
  return kPlainOps<MlaForm::automatic>;
}

}  // namespace glimt::kernels

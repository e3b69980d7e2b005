#include "kernels/ops.h"

#include "kernels/cpu/isa.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/host_rows.h"

namespace glimt::kernels {
namespace {

std::unique_ptr<PagedRows> make_rows(RowType type, int width, int blocks) {
  return std::make_unique<HostRows>(type, width, blocks);
}

template <MlaForm form>
constexpr Ops kCpuOps{.name = "cpu",
                      .takes_stored_weights = true,
                      .joins_gate_and_up = false,
                      .mla_form = form,
                      .prefill_rows = form == MlaForm::absorbed ? 512 : 2048,  // keys are expanded once a chunk
                      .prepare = nullptr,
                      .prepare_heads = nullptr,
                      .linear = on_cpu::linear,
                      .embedding = on_cpu::embedding,
                      .swiglu = on_cpu::swiglu,
                      .experts = on_cpu::experts,
                      .route = on_cpu::route,
                      .rms_norm = on_cpu::rms_norm,
                      .add_rms_norm = on_cpu::add_rms_norm,
                      .mla = on_cpu::mla,
                      .make_rows = make_rows};

}  // namespace

const Ops& cpu_ops(MlaForm form) {
  cpu::isa();  // throws where GLIMT_CPU_ISA is wrong
  switch (form) {
    case MlaForm::automatic: return kCpuOps<MlaForm::automatic>;
    case MlaForm::expanded: return kCpuOps<MlaForm::expanded>;
    case MlaForm::absorbed: break;
  }
  return kCpuOps<MlaForm::absorbed>;
}

}  // namespace glimt::kernels

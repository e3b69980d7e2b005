// The operations of kernels.h as one kind of device computes them: a table that is chosen once for a model. kernels.h
// says what each computes; `device` tells how exactly, and whose queue the kernels run in.
#pragma once

#include "kernels/kernels.h"
#include "kernels/mla_form.h"

#include <memory>
#include <vector>

namespace glimt::kernels {

struct Ops {
  const char* name;

  // Weights are taken as files have them: at any byte, of any float type, the experts of a layer one by one. Else the
  // loader hands over what `prepare` makes of them, and a layer's experts as one stack.
  bool takes_stored_weights;

  // Whether gate and up of a SwiGLU are read as one matrix (SwiGluWeights::gate_up).
  bool joins_gate_and_up;

  // How `mla` goes through kv_b_proj.
  MlaForm mla_form;

  // Rows of a prompt that are computed together unless something else is asked for.
  int prefill_rows;

  // Does once what would be work in every step; `dtype` is that of what the weight is multiplied with. Null where
  // nothing is to do.
  Weight (*prepare)(const Weight& w, mx::Dtype dtype);
  DenseHeads (*prepare_heads)(const MlaWeights& w, mx::Dtype dtype);

  std::vector<mx::array> (*linear)(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights);
  mx::array (*embedding)(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype);
  mx::array (*swiglu)(const Device& device, const mx::array& x, const SwiGluPtr& w);
  mx::array (*experts)(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                       const ExpertsPtr& w);
  Routing (*route)(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options);
  mx::array (*rms_norm)(const Device& device, const mx::array& x, const mx::array& weight, float eps);
  SumAndNorm (*add_rms_norm)(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                             float eps);
  mx::array (*mla)(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
                   const StepPtr& step);

  // Storage for `blocks` blocks of one layer's cache rows, which only this table's `mla` takes. Throws unsupported for
  // a type that the device does not have.
  std::unique_ptr<PagedRows> (*make_rows)(RowType type, int width, int blocks);
};

// Our CPU kernels. Throws unsupported where GLIMT_CPU_ISA names an instruction set that this CPU lacks: a kernel's
// thread could not report it. The plain definitions: plain_ops.h.
//
// Latent attention is absorbed, so that a row's bits never depend on the chunk that it comes in. The other forms make
// keys and values of all heads where a chunk is long: automatic where that is quicker, expanded (for tests) always.
const Ops& cpu_ops(MlaForm form = MlaForm::absorbed);

// Every table that this machine can run, the plain one first. For tests.
std::vector<const Ops*> all_ops();

}  // namespace glimt::kernels

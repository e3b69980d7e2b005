// Where a model computes and how exactly: chosen once, when it is loaded, and handed to its layers. Two models of one
// process may differ in both.
#pragma once

#include "kernels/kernel_queue.h"
#include "kernels/row_type.h"

#include <mlx/mlx.h>

#include <cstddef>
#include <memory>
#include <string>

namespace glimt::kernels {

namespace mx = mlx::core;

struct Ops;  // kernels/ops.h

namespace plain {
class State;  // kernels/plain_state.h
}

// A handle: copies share the queue and the state.
class Device {
 public:
  // exact: float32 throughout, no activation is rounded, for comparison with reference numbers.
  Device(const Ops& ops, bool exact);

  // With activations of another dtype than the device would have. For tests.
  Device(const Ops& ops, bool exact, mx::Dtype activations);

  // Our kernels where MLX computes on the CPU, else plain MLX operations on its default device. The environment
  // variable GLIMT_BACKEND (cpu, mlx) overrides. Throws invalid_request for another value of it, unsupported where
  // GLIMT_CPU_ISA names an instruction set that this CPU lacks.
  // expand_prompts: MlaForm::automatic also on the CPU (ops.h).
  static Device choose(bool exact, bool expand_prompts = false);

  const Ops& ops() const { return *ops_; }
  bool exact() const { return exact_; }
  int prefill_rows() const;  // Ops::prefill_rows

  // The dtype of hidden states, and how cache rows are stored unless something else is asked for.
  mx::Dtype activations() const { return activations_; }
  RowType rows() const { return exact_ ? RowType::f32 : RowType::bf16; }

  KernelQueue& queue() const { return *queue_; }
  std::shared_ptr<const KernelQueue> shared_queue() const { return queue_; }  // for who only counts

  // What the plain definitions keep from call to call.
  plain::State& plain_state() const { return *plain_state_; }

 private:
  const Ops* ops_;
  bool exact_;
  mx::Dtype activations_;
  std::shared_ptr<KernelQueue> queue_;
  std::shared_ptr<plain::State> plain_state_;
};

// Whether MLX's default device is the CPU.
bool computes_on_cpu();

// Of MLX's default GPU. REQUIRES one.
struct GpuMemory {
  std::size_t total, free;  // bytes
};
GpuMemory gpu_memory();
std::string gpu_name();

// Whether arrays lie in the host's memory, so that a mapped file can be one: MLX computes on the CPU, and its library
// knows no GPU (whose allocator lays out every buffer in its own way).
bool host_memory();

}  // namespace glimt::kernels

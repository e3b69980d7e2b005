// What our MLX Primitives share: where they run, how they get contiguous float32 inputs.
#pragma once

#include "kernels/kernels.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace glimt::kernels {

namespace mx = mlx::core;

inline mx::Stream cpu_stream() { return mx::default_stream(mx::Device::cpu); }

// What our kernels compute is row-major.
struct RowMajorOutputs {
  virtual ~RowMajorOutputs() = default;
};

// Row-major values of this type, as the CPU kernels read them. A kernel's output and most weights are that already: each
// node that the graph lacks spares some microseconds a step.
inline mx::array contiguous_as(mx::Dtype dtype, const mx::array& x) {
  const bool row_major = x.has_primitive() ? dynamic_cast<const RowMajorOutputs*>(&x.primitive()) != nullptr
                                           : x.is_available() && x.flags().row_contiguous;
  if (x.dtype() == dtype && row_major) return x;
  return mx::contiguous(mx::astype(x, dtype, cpu_stream()), false, cpu_stream());
}
inline mx::array contiguous_f32(const mx::array& x) { return contiguous_as(mx::float32, x); }

// Outputs of kernels that have not run yet. The graph's thread is ahead of the kernels, by up to a hundred of them, and
// what they will write is memory that the program holds: in a prefill they wait until there is room (backend.cpp).
void begin_outputs(std::size_t bytes);
void finish_outputs(std::size_t bytes);

// Hands `work`, which writes `outputs`, to the stream's thread, which runs it after the inputs' own work and counts its
// time. REQUIRES allocated outputs. The clock is touched on both sides: buffers pass from this thread to the stream's
// through MLX's own queue, whose order the thread sanitizer sees only by an atomic that we publish and read.
template <typename Work>
void dispatch_kernel(mx::Stream stream, std::span<const mx::array> outputs, Work work) {
  std::size_t bytes = 0;
  for (const mx::array& output : outputs) bytes += output.nbytes();
  begin_outputs(bytes);
  add_kernel_time({});
  mx::cpu::get_command_encoder(stream).dispatch([bytes, work = std::move(work)] {
    kernel_seconds();
    const auto start = std::chrono::steady_clock::now();
    work();
    add_kernel_time(std::chrono::steady_clock::now() - start);
    finish_outputs(bytes);
  });
}
template <typename Work>
void dispatch_kernel(mx::Stream stream, const mx::array& output, Work work) {
  dispatch_kernel(stream, std::span(&output, 1), std::move(work));
}

inline void allocate(mx::array& out) { out.set_data(mx::allocator::malloc(out.nbytes())); }

// A Primitive with one output whose shape is known when it is made and that runs on the CPU only.
class CpuPrimitive : public mx::UnaryPrimitive, public RowMajorOutputs {
 public:
  CpuPrimitive(mx::Shape output_shape) : mx::UnaryPrimitive(cpu_stream()), output_shape_(std::move(output_shape)) {}

  void eval_gpu(const std::vector<mx::array>&, mx::array&) override {
    throw std::runtime_error(std::string("[") + name() + "] runs on the CPU only");
  }
  bool is_equivalent(const mx::Primitive&) const override { return false; }
  std::vector<mx::Shape> output_shapes(const std::vector<mx::array>&) override { return {output_shape_}; }

 protected:
  mx::Shape output_shape_;
};

// The same with several outputs, for mx::array::make_arrays.
class CpuMultiPrimitive : public mx::Primitive, public RowMajorOutputs {
 public:
  CpuMultiPrimitive() : mx::Primitive(cpu_stream()) {}

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error(std::string("[") + name() + "] runs on the CPU only");
  }
  bool is_equivalent(const mx::Primitive&) const override { return false; }
};

// A graph node for `Primitive(args...)` with float32 output of `shape`.
template <typename P, typename... Args>
mx::array make_node(mx::Shape shape, std::vector<mx::array> inputs, Args&&... args) {
  return mx::array(shape, mx::float32, std::make_shared<P>(shape, std::forward<Args>(args)...), std::move(inputs));
}

// x · wᵀ (or x · w) in plain MLX operations, with w's leading dimensions broadcast against x's (linear.cpp).
mx::array matmul_plain(const mx::array& x, const Weight& w, bool transpose = true);

}  // namespace glimt::kernels

// What our MLX Primitives share: where they run, and how they get contiguous inputs.
#pragma once

#include "kernels/device.h"
#include "kernels/evaluate.h"

#include <mlx/backend/cpu/encoder.h>
#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace glimt::kernels {

inline mx::Stream cpu_stream() { return mx::default_stream(mx::Device::cpu); }

// What our kernels compute is row-major.
struct RowMajorOutputs {
  virtual ~RowMajorOutputs() = default;
};

// Row-major values of this type, as the CPU kernels read them. A kernel's output and most weights are that already:
// each node that the graph lacks spares some microseconds a step.
inline mx::array contiguous_as(mx::Dtype dtype, const mx::array& x) {
  const bool row_major = x.has_primitive() ? dynamic_cast<const RowMajorOutputs*>(&x.primitive()) != nullptr
                                           : x.is_available() && x.flags().row_contiguous;
  if (x.dtype() == dtype && row_major) return x;
  return mx::contiguous(mx::astype(x, dtype, cpu_stream()), false, cpu_stream());
}
inline mx::array contiguous_f32(const mx::array& x) { return contiguous_as(mx::float32, x); }

inline void allocate(mx::array& out) { out.set_data(mx::allocator::malloc(out.nbytes())); }

// One operation of a device's graph. Its work runs on the stream's thread, which counts its time in the device's queue.
class CpuOperation : public RowMajorOutputs {
 protected:
  explicit CpuOperation(Device device) : device_(std::move(device)) {}

  // Hands `work`, which writes `outputs`, to the stream's thread, which runs it after the inputs' own work. REQUIRES
  // allocated outputs.
  template <typename Work>
  void dispatch(mx::Stream stream, std::span<const mx::array> outputs, Work work) const {
    std::size_t bytes = 0;
    for (const mx::array& output : outputs) bytes += output.nbytes();
    device_.queue().begin(bytes);
    Handover::publish();
    mx::cpu::get_command_encoder(stream).dispatch([bytes, device = device_, work = std::move(work)] {
      Handover::acquire();
      const auto start = std::chrono::steady_clock::now();
      work();
      Handover::publish();
      device.queue().finish(bytes, std::chrono::steady_clock::now() - start);
    });
  }
  template <typename Work>
  void dispatch(mx::Stream stream, const mx::array& output, Work work) const {
    dispatch(stream, std::span(&output, 1), std::move(work));
  }

  bool exact() const { return device_.exact(); }
  const Ops& ops() const { return device_.ops(); }

 private:
  Device device_;
};

// A Primitive with one output whose shape is known when it is made and that runs on the CPU only.
class CpuPrimitive : public mx::UnaryPrimitive, public CpuOperation {
 public:
  CpuPrimitive(Device device, mx::Shape output_shape)
      : mx::UnaryPrimitive(cpu_stream()), CpuOperation(std::move(device)), output_shape_(std::move(output_shape)) {}

  void eval_gpu(const std::vector<mx::array>&, mx::array&) override {
    throw std::runtime_error(std::string("[") + name() + "] runs on the CPU only");
  }
  bool is_equivalent(const mx::Primitive&) const override { return false; }
  std::vector<mx::Shape> output_shapes(const std::vector<mx::array>&) override { return {output_shape_}; }

 protected:
  mx::Shape output_shape_;
};

// The same with several outputs, for mx::array::make_arrays.
class CpuMultiPrimitive : public mx::Primitive, public CpuOperation {
 public:
  explicit CpuMultiPrimitive(Device device) : mx::Primitive(cpu_stream()), CpuOperation(std::move(device)) {}

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error(std::string("[") + name() + "] runs on the CPU only");
  }
  bool is_equivalent(const mx::Primitive&) const override { return false; }
};

// A graph node for `Primitive(device, shape, args...)` with float32 output of `shape`.
template <typename P, typename... Args>
mx::array make_node(const Device& device, mx::Shape shape, std::vector<mx::array> inputs, Args&&... args) {
  return mx::array(shape, mx::float32, std::make_shared<P>(device, shape, std::forward<Args>(args)...),
                   std::move(inputs));
}

}  // namespace glimt::kernels

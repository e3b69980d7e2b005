#include "model/group_sums.h"

#include "base/error.h"
#include "kernels/cpu_ops/primitive.h"
#include "model/stage_messages.h"

#include <algorithm>
#include <chrono>

namespace glimt {

void GroupSums::State::add_up(std::span<float> values) noexcept {
  const auto start = std::chrono::steady_clock::now();
  try {
    group->or_fail([&] { group->all_sum(values, stage_tag(StageTag::sum, count.load())); });
  } catch (...) {  // check() tells it; this thread has nobody to tell
    std::fill(values.begin(), values.end(), 0.0f);
  }
  ++count;
  seconds.store(seconds.load() + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

// Its time is not a kernel's, so it is not counted as one.
class GroupSums::Operation : public kernels::CpuPrimitive {
 public:
  Operation(kernels::Device device, mx::Shape shape, std::shared_ptr<State> state)
      : CpuPrimitive(std::move(device), std::move(shape)), state_(std::move(state)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    kernels::allocate(out);
    kernels::Handover::publish();
    mx::cpu::get_command_encoder(stream()).dispatch(
        [state = state_, part = inputs[0].data<float>(), sum = std::span(out.data<float>(), out.size())] {
          kernels::Handover::acquire();
          std::copy_n(part, sum.size(), sum.begin());
          state->add_up(sum);
          kernels::Handover::publish();
        });
  }
  const char* name() const override { return "GlimtAllSum"; }

 private:
  std::shared_ptr<State> state_;
};

GroupSums::GroupSums(std::shared_ptr<Group> group, kernels::Device device)
    : device_(std::move(device)), state_(std::make_shared<State>()) {
  state_->group = std::move(group);
  ++ranks_here_;
}

mx::array GroupSums::all_sum(const mx::array& part) const {
  if (kernels::computes_on_cpu() && ranks_here_ == 1) {
    const mx::array here = kernels::contiguous_f32(part);
    return mx::astype(kernels::make_node<Operation>(device_, here.shape(), {here}, state_), part.dtype());
  }
  const mx::array here = mx::contiguous(mx::astype(part, mx::float32));
  kernels::evaluate({here});
  mx::array sum(mx::allocator::malloc(here.nbytes()), here.shape(), mx::float32);
  std::copy_n(here.data<float>(), here.size(), sum.data<float>());
  state_->add_up({sum.data<float>(), sum.size()});
  return mx::astype(sum, part.dtype());
}

void GroupSums::check() const {
  if (const auto why = state_->group->failure()) fail(ErrorKind::internal, "ranks", "{}", *why);
}

std::uint64_t GroupSums::count() const { return state_->count.load(); }
double GroupSums::seconds() const { return state_->seconds.load(); }

}  // namespace glimt

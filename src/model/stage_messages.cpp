#include "model/stage_messages.h"

#include "base/error.h"
#include "kernels/evaluate.h"

#include <algorithm>
#include <array>

namespace glimt {
namespace {

const std::array kDtypes = {mx::float32, mx::bfloat16, mx::float16, mx::int32, mx::uint32, mx::int64, mx::bool_};

std::uint8_t number_of(mx::Dtype dtype) {
  const auto* found = std::find(kDtypes.begin(), kDtypes.end(), dtype);
  if (found == kDtypes.end()) fail(ErrorKind::internal, "stage", "an array of this dtype cannot be sent");
  return static_cast<std::uint8_t>(found - kDtypes.begin());
}

}  // namespace

void put_step(MessageWriter& message, const kernels::Step& step) {
  message.put(static_cast<std::uint32_t>(step.size()));
  for (const kernels::StepSequence& s : step) {
    message.put(s.position).put(s.length).put(s.first_key).put(s.blocks);
  }
}

kernels::Step get_step(MessageReader& message) {
  kernels::Step step;
  for (auto left = message.get<std::uint32_t>(); left > 0; --left) {
    kernels::StepSequence s;
    s.position = message.get<int>();
    s.length = message.get<int>();
    s.first_key = message.get<int>();
    s.blocks = message.numbers();
    step.push_back(std::move(s));
  }
  return step;
}

void put_array(MessageWriter& message, const mx::array& x) {
  const mx::array values = mx::contiguous(x);
  kernels::evaluate({values});
  message.put(number_of(values.dtype()));
  message.put(std::vector<int>(values.shape().begin(), values.shape().end()));
  message.put(std::span(values.data<std::byte>(), values.nbytes()));
  kernels::Handover::publish();
}

mx::array get_array(MessageReader& message) {
  const auto number = message.get<std::uint8_t>();
  if (number >= kDtypes.size()) fail(ErrorKind::internal, "stage", "an array of an unknown dtype");
  const mx::Dtype dtype = kDtypes[number];
  const std::vector<int> sizes = message.numbers();
  const mx::Shape shape(sizes.begin(), sizes.end());
  const std::span<const std::byte> bytes = message.stretch();
  std::size_t wanted = dtype.size();
  for (const int size : sizes) wanted *= static_cast<std::size_t>(std::max(0, size));
  if (bytes.size() != wanted) fail(ErrorKind::internal, "stage", "{} bytes of an array of {}", bytes.size(), wanted);
  const mx::array plain(reinterpret_cast<const std::uint8_t*>(bytes.data()), {static_cast<int>(bytes.size())},
                        mx::uint8);
  return mx::reshape(mx::view(plain, dtype), shape);
}

Bytes to_message(const StageStates& states) {
  MessageWriter message;
  message.put(std::as_bytes(std::span(states.seconds)));
  put_array(message, states.states);
  return message.bytes();
}

StageStates stage_states(const Bytes& bytes) {
  MessageReader message(bytes);
  const std::span<const std::byte> seconds = message.stretch();
  StageStates got{mx::array(0), std::vector<double>(seconds.size() / sizeof(double))};
  std::copy_n(seconds.begin(), got.seconds.size() * sizeof(double),
              std::as_writable_bytes(std::span(got.seconds)).begin());
  got.states = get_array(message);
  return got;
}

std::vector<kernels::StepPtr> cut_step(const kernels::StepPtr& step, int rows) {
  if (kernels::row_count(*step) <= rows) return {step};
  std::vector<kernels::StepPtr> pieces;
  kernels::Step piece;
  int room = rows;
  const auto close = [&] {
    pieces.push_back(std::make_shared<const kernels::Step>(std::move(piece)));
    piece.clear();
    room = rows;
  };
  for (kernels::StepSequence rest : *step) {
    while (rest.length > 0) {
      kernels::StepSequence part = rest;
      part.length = std::min(rest.length, room);
      rest.position += part.length;
      rest.length -= part.length;
      room -= part.length;
      piece.push_back(std::move(part));
      if (room == 0) close();
    }
  }
  if (!piece.empty()) close();
  return pieces;
}

}  // namespace glimt

#include "engine/text_rows.h"

#include "engine/sequence.h"

#include <algorithm>

namespace glimt {

TextRows::TextRows(const std::vector<SequenceStep>& steps, const mx::array& hidden) {
  for (const SequenceStep& step : steps) {
    for (int row = 0; step.embeds && row < step.count; ++row) in_batch_.push_back(step.first + row);
  }
  if (!in_batch_.empty()) rows_ = mx::contiguous(mx::astype(take_rows(hidden, in_batch_), mx::float32));
}

void TextRows::pool(const SequenceStep& step) const {
  const auto width = static_cast<std::size_t>(rows_->shape(1));
  const auto begin =
      static_cast<std::size_t>(std::lower_bound(in_batch_.begin(), in_batch_.end(), step.first) - in_batch_.begin());
  const std::span<const float> all(rows_->data<float>(), rows_->size());
  step.sequence->pool().add(all.subspan(begin * width, static_cast<std::size_t>(step.count) * width), width);
}

}  // namespace glimt

#include "kernels/cpu_ops/expanded_heads.h"

#include "kernels/cpu/attention.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/views.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace glimt::kernels::on_cpu {
namespace {

constexpr int kPieceKeys = 1024;  // whose latents, as 8-bit integers, stay in the second-level cache
constexpr int kRowsAtOnce = 32;   // of an item where rows are only moved

std::size_t size(int n) { return static_cast<std::size_t>(n); }

// body(i) for each i < count, on all threads.
template <typename Body>
void for_rows(int count, const Body& body) {
  cpu::parallel_for(size((count + kRowsAtOnce - 1) / kRowsAtOnce), [&](std::size_t item) {
    const int first = static_cast<int>(item) * kRowsAtOnce;
    for (int i = first; i < std::min(first + kRowsAtOnce, count); ++i) body(size(i));
  });
}

// The largest group that the columns are whole ones of; 0: none.
int group_for(int columns) {
  for (const int group : {64, 32}) {
    if (columns % group == 0) return group;
  }
  return 0;
}

// One group as unsigned bytes: value = scale * code + bias.
void quantize_group(const float* values, int count, std::uint8_t* codes, float& scale, float& bias) {
  if (!std::all_of(values, values + count, [](float x) { return std::isfinite(x); })) {
    scale = bias = std::nanf("");
    std::fill_n(codes, count, std::uint8_t{0});
    return;
  }
  const auto [least, most] = std::minmax_element(values, values + count);
  bias = *least;
  scale = (*most - *least) / 255;
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (int i = 0; i < count; ++i) {
    const float code = (values[i] - bias) * inverse;
    codes[i] = static_cast<std::uint8_t>(std::lrint(std::clamp(code, 0.0f, 255.0f)));
  }
}

}  // namespace

ExpandedHeads::ExpandedHeads(const MlaWeights& w, RowType type, int keys, int first_key, bool exact,
                             const std::function<const void*(int)>& row_at)
    : w_(w),
      n_(w),
      cached_(type),
      type_(type == RowType::f32 || exact ? RowType::f32 : RowType::bf16),
      keys_(keys),
      first_key_(first_key),
      exact_(exact),
      rows_(size(keys) * size(n_.latent + n_.rope)),
      key_floats_(size(n_.nope) * size(n_.latent)),
      expanded_(size(std::min(keys, kPieceKeys)) * size(n_.nope + n_.v)),
      head_keys_(size(keys) * row_bytes(type_, n_.nope + n_.rope)),
      head_values_(size(keys) * row_bytes(type_, n_.v)) {
  read_rows(row_at);
  key_weights_.rows = n_.nope;
  key_weights_.columns = n_.latent;
  key_weights_.values = key_floats_.data();
  const int group = group_for(n_.latent);
  // Float weights are not rounded to integers elsewhere either.
  if (exact || group == 0 || cpu::integer_bits(view(w.embed_q)) == 0) return;
  const std::size_t groups = size(n_.nope) * size(n_.latent / group);
  key_codes_ = cpu::Buffer<std::uint8_t>(size(n_.nope) * size(n_.latent));
  key_scales_ = cpu::Buffer<float>(groups);
  key_biases_ = cpu::Buffer<float>(groups);
  key_weights_.format = cpu::Format::affine;
  key_weights_.bits = 8;
  key_weights_.group_size = group;
  key_weights_.values = key_codes_.data();
  key_weights_.scales = key_scales_.data();
  key_weights_.biases = key_biases_.data();
}

// Rows that no query sees are zeros: what lies there may be anything.
void ExpandedHeads::read_rows(const std::function<const void*(int)>& row_at) {
  const int width = n_.latent + n_.rope;
  for_rows(keys_, [&](std::size_t key) {
    float* row = rows_.data() + key * size(width);
    if (static_cast<int>(key) < first_key_) {
      std::fill_n(row, width, 0.0f);
    } else {
      cpu::load_row(cached_, row_at(static_cast<int>(key)), width, row);
    }
  });
  for (int first = 0; first < keys_; first += kPieceKeys) {
    const int count = std::min(kPieceKeys, keys_ - first);
    std::vector<const float*> latents;
    latents.reserve(size(count));
    for (int i = 0; i < count; ++i) latents.push_back(rows_.data() + size(first + i) * size(width));
    pieces_.push_back({first, count, cpu::Activations(std::move(latents), {size(count)}, n_.latent)});
  }
}

void ExpandedHeads::attend(const Chunk& chunk) {
  for (int head = 0; head < n_.heads; ++head) {
    make_key_weights(head);
    for (Piece& piece : pieces_) expand(head, piece);
    attend_head(head, chunk);
  }
}

void ExpandedHeads::make_key_weights(int head) {
  const cpu::MatrixView stored = view(w_.embed_q, head);
  const std::size_t latent = size(n_.latent);
  for_rows(n_.latent, [&](std::size_t row) {
    std::vector<float> decoded(size(n_.nope));
    cpu::isa().decode_row(stored, static_cast<int>(row), decoded.data());
    for (std::size_t i = 0; i < decoded.size(); ++i) key_floats_[i * latent + row] = decoded[i];
  });
  if (key_weights_.format == cpu::Format::f32) return;
  const int group = key_weights_.group_size;
  const std::size_t groups = latent / size(group);
  for_rows(n_.nope, [&](std::size_t row) {
    for (std::size_t g = 0; g < groups; ++g) {
      const std::size_t at = row * latent + g * size(group);
      quantize_group(key_floats_.data() + at, group, key_codes_.data() + at, key_scales_[row * groups + g],
                     key_biases_[row * groups + g]);
    }
  });
}

// The head's keys and values of a piece.
void ExpandedHeads::expand(int head, Piece& piece) {
  const std::size_t width = size(n_.nope + n_.v);
  cpu::Product keys{key_weights_, &piece.latents, 0, {}}, values{view(w_.unembed_out, head), &piece.latents, 0, {}};
  for (std::size_t i = 0; i < size(piece.count); ++i) {
    keys.y.push_back(expanded_.data() + i * width);
    values.y.push_back(expanded_.data() + i * width + n_.nope);
  }
  cpu::multiply(std::vector{std::move(keys), std::move(values)}, exact_);

  const int key_width = n_.nope + n_.rope;
  for_rows(piece.count, [&](std::size_t i) {
    const std::size_t key = size(piece.first) + i;
    const float *from = expanded_.data() + i * width,
                *rope = rows_.data() + key * size(n_.latent + n_.rope) + n_.latent;
    std::vector<float> whole(from, from + n_.nope);
    whole.insert(whole.end(), rope, rope + n_.rope);
    cpu::store_row(type_, whole.data(), key_width, head_keys_.data() + key * row_bytes(type_, key_width));
    cpu::store_row(type_, from + n_.nope, n_.v, head_values_.data() + key * row_bytes(type_, n_.v));
  });
}

void ExpandedHeads::attend_head(int head, const Chunk& chunk) {
  const std::size_t nope = size(n_.nope), v = size(n_.v), query = size(n_.heads) * size(n_.nope + n_.rope);
  const cpu::Buffer<float> queries(size(chunk.queries) * nope), results(size(chunk.queries) * v);
  for_rows(chunk.queries, [&](std::size_t i) {
    std::copy_n(chunk.q + i * query + size(head) * size(n_.nope + n_.rope), nope, queries.data() + i * nope);
  });
  std::vector<int> blocks(size((keys_ + cpu::kKeyBlock - 1) / cpu::kKeyBlock));
  std::iota(blocks.begin(), blocks.end(), 0);
  const float* q_pe = chunk.q_pe + size(head) * size(chunk.head_stride) * size(n_.rope);
  const cpu::AttentionSequence sequence{
      chunk.queries,     queries.data(), q_pe,  results.data(), chunk.queries,      type_,
      head_keys_.data(), blocks.data(),  keys_, first_key_,     head_values_.data()};
  cpu::latent_attention({1, {n_.nope, n_.rope, n_.v}, w_.scale}, std::span(&sequence, 1),
                        cpu::attention_kernel(type_, n_.nope + n_.rope, exact_));
  for_rows(chunk.queries, [&](std::size_t i) {
    std::copy_n(results.data() + i * v, v, chunk.out + (i * size(n_.heads) + size(head)) * v);
  });
}

}  // namespace glimt::kernels::on_cpu

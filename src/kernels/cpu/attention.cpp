#include "kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <new>
#include <numbers>
#include <vector>

#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/thread_pool.h"

namespace glimt::cpu {
namespace {

constexpr std::size_t kAlignment = 64;

// How many pieces a thread should get at least, so that none waits long for the last one.
constexpr std::size_t kPiecesPerThread = 3;

// Partial results that wait to be merged: blocks are computed in waves of about this size.
constexpr std::size_t kWaveBytes = std::size_t{16} << 20;

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// A thread's uninitialized memory, which only grows.
class Scratch {
 public:
  unsigned char* get(std::size_t bytes) {
    if (bytes > size_) {
      data_.reset();
      data_.reset(static_cast<unsigned char*>(::operator new (bytes, std::align_val_t{kAlignment})));
      size_ = bytes;
    }
    return data_.get();
  }

 private:
  struct Delete {
    void operator()(unsigned char* p) const { ::operator delete (p, std::align_val_t{kAlignment}); }
  };
  std::unique_ptr<unsigned char, Delete> data_;
  std::size_t size_ = 0;
};

// Query rows of one sequence that are computed together; row = head * queries + query.
struct Group {
  const AttentionSequence* sequence;
  int first;
  int rows;
  int last_key;  // one behind the last key that any of the rows sees
};

class Attention {
 public:
  Attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences, const AttentionKernel& kernel)
      : shape_(shape),
        kernel_(kernel),
        sequences_(sequences),
        width_(shape.latent + shape.rope),
        out_stride_(kernel.out_stride(shape.latent)) {}

  void run() {
    const auto wanted = kPiecesPerThread * static_cast<std::size_t>(threads());
    make_groups(kMaxQueryRows);
    if (groups_.size() >= wanted) {
      run_by_rows();
      return;
    }
    std::size_t pieces = 0;
    for (const Group& group : groups_) pieces += blocks_of(group);
    if (pieces == 0) return;  // no sequence has a query
    if (pieces < wanted) {
      const auto split = static_cast<int>((wanted + pieces - 1) / pieces);
      make_groups(std::max(kSmallestGroup, kMaxQueryRows / split));
    }
    run_by_blocks();
  }

 private:
  static constexpr int kSmallestGroup = 4;
  static constexpr int kMergeRows = 4;

  static std::size_t blocks_of(const Group& group) {
    return static_cast<std::size_t>((group.last_key + kKeyBlock - 1) / kKeyBlock);
  }

  static int keys_of(const AttentionSequence& sequence, int row) {  // one behind the last that the row sees
    return sequence.keys - sequence.queries + row % sequence.queries + 1;
  }

  void make_groups(int most) {
    groups_.clear();
    for (const AttentionSequence& sequence : sequences_) {
      const int rows = shape_.heads * sequence.queries, count = (rows + most - 1) / most;
      const int step = ((rows + count - 1) / count + kSmallestGroup - 1) / kSmallestGroup * kSmallestGroup;
      for (int first = 0; first < rows; first += step) {
        Group group{&sequence, first, std::min(step, rows - first), 0};
        for (int r = 0; r < group.rows; ++r) group.last_key = std::max(group.last_key, keys_of(sequence, first + r));
        groups_.push_back(group);
      }
    }
  }

  std::size_t state_bytes(int rows) const {
    return aligned(static_cast<std::size_t>(rows) * (out_stride_ + 2) * sizeof(float));
  }

  AttentionState state_at(unsigned char* memory, int rows) const {
    float* out = reinterpret_cast<float*>(memory);
    float* max = out + static_cast<std::size_t>(rows) * out_stride_;
    return {max, max + rows, out};
  }

  AttentionState from_row(const AttentionState& state, int row) const {
    return {state.max + row, state.sum + row, state.out + static_cast<std::size_t>(row) * out_stride_};
  }

  AttentionState fresh_state(unsigned char* memory, int rows) const {
    const AttentionState state = state_at(memory, rows);
    std::fill_n(state.max, rows, std::numeric_limits<float>::lowest());
    std::fill_n(state.sum, rows, 0.0f);
    std::fill_n(state.out, static_cast<std::size_t>(rows) * out_stride_, 0.0f);
    return state;
  }

  // Where row `r` of the group lies among the sequence's queries and results.
  static std::size_t row_of(const Group& group, int r) {
    const AttentionSequence& sequence = *group.sequence;
    const int row = group.first + r;
    return static_cast<std::size_t>(row / sequence.queries) * static_cast<std::size_t>(sequence.head_stride) +
           static_cast<std::size_t>(row % sequence.queries);
  }

  void pack_queries(const Group& group, void* packed) const {
    const float factor = shape_.scale * std::numbers::log2e_v<float>;
    for (int r = 0; r < group.rows; ++r) {
      const std::size_t row = row_of(group, r);
      kernel_.pack_query(group.sequence->q_latent + row * static_cast<std::size_t>(shape_.latent), shape_.latent,
                         group.sequence->q_pe + row * static_cast<std::size_t>(shape_.rope), shape_.rope, factor, r,
                         group.rows, packed);
    }
  }

  // Rows of the block from `first` on, as the kernels read them.
  AttentionRows block_rows(const AttentionSequence& sequence, std::size_t index, int first, int count) const {
    const std::size_t bytes = row_bytes(sequence.format, width_);
    const unsigned char* rows =
        static_cast<const unsigned char*>(sequence.rows) +
        (static_cast<std::size_t>(sequence.blocks[index]) * kKeyBlock + static_cast<std::size_t>(first)) * bytes;
    const auto width = static_cast<std::size_t>(width_);
    if (sequence.format != RowType::q8) return {sequence.format, rows, width, width_};
    static thread_local Scratch expanded;
    auto* out = reinterpret_cast<std::uint16_t*>(expanded.get(kKeyBlock * width * sizeof(std::uint16_t)));
    for (int t = 0; t < count; ++t)
      kernel_.expand_q8(rows + static_cast<std::size_t>(t) * bytes, width_, out + static_cast<std::size_t>(t) * width);
    return {RowType::bf16, out, width, width_};
  }

  void attend(const Group& group, const void* queries, std::size_t index, void* scratch,
              const AttentionState& result) const {
    const AttentionSequence& sequence = *group.sequence;
    const int begin = static_cast<int>(index) * kKeyBlock, start = std::max(begin, sequence.first_key);
    const int count = std::min(begin + kKeyBlock, group.last_key) - start;
    int visible[kMaxQueryRows];
    for (int r = 0; r < group.rows; ++r) visible[r] = std::clamp(keys_of(sequence, group.first + r) - start, 0, count);
    const AttentionRows keys = block_rows(sequence, index, start - begin, count);
    AttentionRows values = keys;
    values.width = shape_.latent;
    kernel_.block({queries, group.rows, visible, keys, values, count, scratch, result});
  }

  void finish(const Group& group, const AttentionState& state) const {
    const auto latent = static_cast<std::size_t>(shape_.latent);
    for (int r = 0; r < group.rows; ++r) {
      const float factor = 1.0f / state.sum[r];
      const float* in = state.out + static_cast<std::size_t>(r) * out_stride_;
      float* out = group.sequence->out + row_of(group, r) * latent;
      for (std::size_t i = 0; i < latent; ++i) out[i] = in[i] * factor;
    }
  }

  // Each piece is a group of query rows with all their keys.
  void run_by_rows() const {
    parallel_for(groups_.size(), [&](std::size_t i) {
      const Group& group = groups_[i];
      const std::size_t query = aligned(kernel_.query_bytes(width_, shape_.latent, group.rows)),
                        state = state_bytes(group.rows);
      static thread_local Scratch buffer;
      unsigned char* memory = buffer.get(query + 2 * state + kernel_.scratch_bytes(width_, shape_.latent, group.rows));
      pack_queries(group, memory);
      const AttentionState sum = fresh_state(memory + query, group.rows);
      const AttentionState part = state_at(memory + query + state, group.rows);
      for (std::size_t block = 0; block < blocks_of(group); ++block) {
        attend(group, memory, block, memory + query + 2 * state, part);
        kernel_.merge(group.rows, shape_.latent, part, sum);
      }
      finish(group, sum);
    });
  }

  // Each piece is one block of keys for a group.
  void run_by_blocks() const {
    struct Piece {
      std::size_t group, block;
    };
    int rows = 0;  // the most
    for (const Group& group : groups_) rows = std::max(rows, group.rows);
    const std::size_t query = aligned(kernel_.query_bytes(width_, shape_.latent, rows)), state = state_bytes(rows);
    static thread_local Scratch buffer, parts;
    unsigned char* memory = buffer.get(groups_.size() * (query + state));
    const auto queries_of = [&](std::size_t group) { return memory + group * (query + state); };
    const auto sum_of = [&](std::size_t group) { return state_at(queries_of(group) + query, groups_[group].rows); };
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      pack_queries(groups_[g], queries_of(g));
      fresh_state(queries_of(g) + query, groups_[g].rows);
    }

    const std::size_t all_states = std::max<std::size_t>(1, state * groups_.size());
    const std::size_t wave = std::max<std::size_t>(1, kWaveBytes / all_states);
    unsigned char* part_memory = nullptr;
    std::size_t last = 0;
    for (const Group& group : groups_) last = std::max(last, blocks_of(group));
    for (std::size_t begin = 0; begin < last; begin += wave) {
      std::vector<Piece> pieces;
      std::vector<std::size_t> first_piece;
      for (std::size_t g = 0; g < groups_.size(); ++g) {
        first_piece.push_back(pieces.size());
        for (std::size_t b = begin; b < std::min(begin + wave, blocks_of(groups_[g])); ++b) pieces.push_back({g, b});
      }
      first_piece.push_back(pieces.size());
      part_memory = parts.get(pieces.size() * state);
      const auto part_of = [&](std::size_t piece) {
        return state_at(part_memory + piece * state, groups_[pieces[piece].group].rows);
      };
      parallel_for(pieces.size(), [&](std::size_t i) {
        const Group& group = groups_[pieces[i].group];
        static thread_local Scratch scratch;
        attend(group, queries_of(pieces[i].group), pieces[i].block,
               scratch.get(kernel_.scratch_bytes(width_, shape_.latent, group.rows)), part_of(i));
      });
      const auto slices = static_cast<std::size_t>((rows + kMergeRows - 1) / kMergeRows);
      parallel_for(groups_.size() * slices, [&](std::size_t item) {
        const std::size_t g = item / slices;
        const int row = static_cast<int>(item % slices) * kMergeRows,
                  count = std::min(kMergeRows, groups_[g].rows - row);
        for (std::size_t i = first_piece[g]; i < first_piece[g + 1] && count > 0; ++i) {
          kernel_.merge(count, shape_.latent, from_row(part_of(i), row), from_row(sum_of(g), row));
        }
      });
    }
    for (std::size_t g = 0; g < groups_.size(); ++g) finish(groups_[g], sum_of(g));
  }

  const AttentionShape& shape_;
  const AttentionKernel& kernel_;
  std::span<const AttentionSequence> sequences_;
  int width_;
  std::size_t out_stride_;
  std::vector<Group> groups_;
};

}  // namespace

void latent_attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences,
                      const AttentionKernel& kernel) {
  if (sequences.empty() || shape.heads == 0) return;
  Attention(shape, sequences, kernel).run();
}

}  // namespace glimt::cpu

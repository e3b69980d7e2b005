#include "kernels/cpu/attention.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <memory>
#include <new>
#include <numbers>
#include <vector>

#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/thread_pool.h"

namespace glimt::cpu {
namespace {

constexpr std::size_t kAlignment = 64;

// How many pieces a thread should get at least, so that none waits long for the last one; of a few blocks each, where
// there are enough blocks.
constexpr std::size_t kPiecesPerThread = 3, kShortPiecesPerThread = 6;

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

// Merges the partial results of neighbouring ranges of blocks as a binary tree over the blocks' positions does: two ranges
// of 2^n blocks that begin at a multiple of 2^(n+1) are merged with each other before anything else. So the order is that
// of the positions alone, wherever the blocks were cut into pieces, and few results are alive at a time.
template <typename Merge>  // merge(part, state): see AttentionKernel
class MergeTree {
 public:
  explicit MergeTree(Merge merge) : merge_(std::move(merge)) {}

  std::size_t size() const { return stack_.size(); }  // results that are alive

  // The next range, of as many blocks as those before it; the last one may have less.
  void add(const AttentionState& state) {
    stack_.push_back({state, 0});
    while (stack_.size() > 1 && stack_.back().level == stack_[stack_.size() - 2].level) merge_last();
  }
  // All of them, merged into the first one.
  void finish() {
    while (stack_.size() > 1) merge_last();
  }

 private:
  struct Node {
    AttentionState state;
    int level;  // log2 of its ranges
  };
  void merge_last() {
    const AttentionState part = stack_.back().state;
    stack_.pop_back();
    merge_(part, stack_.back().state);
    ++stack_.back().level;
  }

  Merge merge_;
  std::vector<Node> stack_;
};

class Attention {
 public:
  Attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences, const AttentionKernel& kernel)
      : shape_(shape),
        kernel_(kernel),
        sequences_(sequences),
        width_(shape.widths.keys()),
        out_stride_(kernel.out_stride(shape.widths.values)) {}

  void run() {
    const auto wanted = kPiecesPerThread * static_cast<std::size_t>(threads());
    make_groups(kMaxQueryRows);
    if (groups_.size() >= wanted) {
      run_by_rows();
      return;
    }
    std::size_t blocks = 0;
    for (const Group& group : groups_) blocks += blocks_of(group);
    if (blocks == 0) return;  // no sequence has a query
    if (blocks < wanted) {
      const auto split = static_cast<int>((wanted + blocks - 1) / blocks);
      make_groups(std::max(kSmallestGroup, kMaxQueryRows / split));
    }
    const std::size_t most = blocks / (kShortPiecesPerThread * static_cast<std::size_t>(threads()));
    run_by_blocks(std::bit_floor(std::max<std::size_t>(most, 1)));
  }

 private:
  static constexpr int kSmallestGroup = 4;

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
      kernel_.pack_query(group.sequence->q_first + row * static_cast<std::size_t>(shape_.widths.first),
                         shape_.widths.first, group.sequence->q_pe + row * static_cast<std::size_t>(shape_.widths.rope),
                         shape_.widths.rope, factor, r, group.rows, packed);
    }
  }

  const unsigned char* rows_of_block(const AttentionSequence& sequence, std::size_t index) const {
    return static_cast<const unsigned char*>(sequence.rows) +
           static_cast<std::size_t>(sequence.blocks[index]) * kKeyBlock * row_bytes(sequence.format, width_);
  }

  // Rows of the block from `first` on, as the kernels read them.
  AttentionRows block_rows(const AttentionSequence& sequence, std::size_t index, int first, int count) const {
    const std::size_t bytes = row_bytes(sequence.format, width_);
    const unsigned char* rows = rows_of_block(sequence, index) + static_cast<std::size_t>(first) * bytes;
    const auto width = static_cast<std::size_t>(width_);
    if (sequence.format != RowType::q8) return {sequence.format, rows, width, width_};
    static thread_local Scratch expanded;
    auto* out = reinterpret_cast<std::uint16_t*>(expanded.get(kKeyBlock * width * sizeof(std::uint16_t)));
    for (int t = 0; t < count; ++t)
      kernel_.expand_q8(rows + static_cast<std::size_t>(t) * bytes, width_, out + static_cast<std::size_t>(t) * width);
    return {RowType::bf16, out, width, width_};
  }

  // Values of the same rows.
  AttentionRows block_values(const AttentionSequence& sequence, std::size_t index, int first,
                             const AttentionRows& keys) const {
    if (sequence.values == nullptr) return {keys.format, keys.data, keys.stride, shape_.widths.values};
    const std::size_t row =
        static_cast<std::size_t>(sequence.blocks[index]) * kKeyBlock + static_cast<std::size_t>(first);
    const auto* data =
        static_cast<const unsigned char*>(sequence.values) + row * row_bytes(sequence.format, shape_.widths.values);
    return {sequence.format, data, static_cast<std::size_t>(shape_.widths.values), shape_.widths.values};
  }

  void attend(const Group& group, const void* queries, std::size_t index, void* scratch,
              const AttentionState& result) const {
    const AttentionSequence& sequence = *group.sequence;
    const int begin = static_cast<int>(index) * kKeyBlock, start = std::max(begin, sequence.first_key);
    const int count = std::min(begin + kKeyBlock, group.last_key) - start;
    int visible[kMaxQueryRows];
    for (int r = 0; r < group.rows; ++r) visible[r] = std::clamp(keys_of(sequence, group.first + r) - start, 0, count);
    const AttentionRows keys = block_rows(sequence, index, start - begin, count);
    const AttentionRows values = block_values(sequence, index, start - begin, keys);
    AttentionBlock block{queries, group.rows, visible, shape_.widths, keys, values, count, {}, {}, scratch, result};
    if (index + 1 < blocks_of(group)) {
      block.next = rows_of_block(sequence, index + 1);
      block.next_bytes = static_cast<std::size_t>(std::min(kKeyBlock, group.last_key - begin - kKeyBlock)) *
                         row_bytes(sequence.format, width_);
    }
    kernel_.block(block);
  }

  // `count` blocks from `first` on. memory: range_bytes.
  void attend_range(const Group& group, const void* queries, std::size_t first, std::size_t count,
                    unsigned char* memory, const AttentionState& result) const {
    unsigned char* states = memory + aligned(kernel_.scratch_bytes(shape_.widths, group.rows));
    MergeTree tree([&](const AttentionState& part, const AttentionState& state) {
      kernel_.merge(group.rows, shape_.widths.values, part, state);
    });
    for (std::size_t block = first; block < first + count; ++block) {
      const std::size_t place = tree.size();
      const AttentionState state =
          place == 0 ? result : state_at(states + (place - 1) * state_bytes(group.rows), group.rows);
      attend(group, queries, block, memory, state);
      tree.add(state);
    }
    tree.finish();
  }

  // For the kernel, and for the results that are alive at once behind the first one.
  std::size_t range_bytes(int rows, std::size_t blocks) const {
    return aligned(kernel_.scratch_bytes(shape_.widths, rows)) +
           static_cast<std::size_t>(std::bit_width(blocks)) * state_bytes(rows);
  }

  void finish(const Group& group, const AttentionState& state) const {
    const auto width = static_cast<std::size_t>(shape_.widths.values);
    for (int r = 0; r < group.rows; ++r) {
      const float factor = 1.0f / state.sum[r];
      const float* in = state.out + static_cast<std::size_t>(r) * out_stride_;
      float* out = group.sequence->out + row_of(group, r) * width;
      for (std::size_t i = 0; i < width; ++i) out[i] = in[i] * factor;
    }
  }

  // Each piece is a group of query rows with all their keys.
  void run_by_rows() const {
    parallel_for(groups_.size(), [&](std::size_t i) {
      const Group& group = groups_[i];
      const std::size_t query = aligned(kernel_.query_bytes(shape_.widths, group.rows));
      static thread_local Scratch buffer;
      unsigned char* memory = buffer.get(query + state_bytes(group.rows) + range_bytes(group.rows, blocks_of(group)));
      const AttentionState state = state_at(memory + query, group.rows);
      pack_queries(group, memory);
      attend_range(group, memory, 0, blocks_of(group), memory + query + state_bytes(group.rows), state);
      finish(group, state);
    });
  }

  // Each piece is some neighbouring blocks of keys for a group: `length` of them, a power of two, or what is left. Pieces
  // are merged as MergeTree merges them, by the thread that has finished the second one of two.
  void run_by_blocks(std::size_t length) const {
    struct Piece {
      std::size_t group, first, count;
    };
    std::vector<Piece> pieces;
    std::vector<std::size_t> first_piece;  // of each group, and one behind the last one
    int rows = 0;                          // the most
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      first_piece.push_back(pieces.size());
      const std::size_t blocks = blocks_of(groups_[g]);
      for (std::size_t b = 0; b < blocks; b += length) pieces.push_back({g, b, std::min(length, blocks - b)});
      rows = std::max(rows, groups_[g].rows);
    }
    first_piece.push_back(pieces.size());

    const std::size_t query = aligned(kernel_.query_bytes(shape_.widths, rows)), state = state_bytes(rows);
    static thread_local Scratch buffer;
    unsigned char* queries = buffer.get(groups_.size() * query + pieces.size() * state);
    unsigned char* states = queries + groups_.size() * query;
    for (std::size_t g = 0; g < groups_.size(); ++g) pack_queries(groups_[g], queries + g * query);
    const auto state_of = [&](std::size_t piece) {
      return state_at(states + piece * state, groups_[pieces[piece].group].rows);
    };
    // Of two neighbouring ranges of pieces, by the first piece of the right one: whether one of them is merged in itself.
    std::vector<std::atomic<bool>> one_is_there(pieces.size());
    parallel_for(pieces.size(), [&](std::size_t i) {
      const auto [g, first, count] = pieces[i];
      const Group& group = groups_[g];
      static thread_local Scratch scratch;
      attend_range(group, queries + g * query, first, count, scratch.get(range_bytes(group.rows, count)), state_of(i));

      const std::size_t begin = first_piece[g], end = first_piece[g + 1];
      std::size_t left = i - begin;  // of the range that is merged, of `size` pieces
      for (std::size_t size = 1; begin + size < end; size *= 2) {
        left -= left / size % 2 * size;
        const std::size_t right = begin + left + size;
        if (right >= end) continue;  // nothing is at the range's right
        if (!one_is_there[right].exchange(true, std::memory_order_acq_rel)) return;
        kernel_.merge(group.rows, shape_.widths.values, state_of(right), state_of(begin + left));
      }
      finish(group, state_of(begin));
    });
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

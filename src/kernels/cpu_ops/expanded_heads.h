// Latent attention in its expanded form, for a long chunk of one sequence: each head's keys and values are made from the
// cached latents first. A pair of query and key costs nope + rope + v multiply-adds a head instead of 2 latent + rope.
//
// Keys and values are rounded to bfloat16 unless the cache holds more or everything is exact, latents to 8 bits where
// they meet quantized weights. The heads are computed one after the other and share the memory for their keys and values:
// some 1 KiB a key, and 3.5 KiB for the latents.
#pragma once

#include "kernels/cpu/buffer.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/kernels.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace glimt::kernels::on_cpu {

class ExpandedHeads {
 public:
  // The queries of a sequence, in order of position up to its last key, and where the results go. Not owned.
  struct Chunk {
    int queries = 0;
    const float* q = nullptr;     // [queries, heads, nope + rope], of which nope are read
    const float* q_pe = nullptr;  // turned; query i of head h at (h · head_stride + i) · rope
    int head_stride = 0;
    float* out = nullptr;  // [queries, heads, v]
  };

  // Reads the rows of positions first_key … keys - 1; row_at(position) points to one. `w` must outlive this.
  ExpandedHeads(const MlaWeights& w, RowType type, int keys, int first_key, bool exact,
                const std::function<const void*(int)>& row_at);

  // REQUIRES chunk.queries <= keys.
  void attend(const Chunk& chunk);

 private:
  // Keys that are expanded together.
  struct Piece {
    int first, count;
    cpu::Activations latents;
  };

  void read_rows(const std::function<const void*(int)>& row_at);
  void make_key_weights(int head);
  void expand(int head, Piece& piece);
  void attend_head(int head, const Chunk& chunk);

  const MlaWeights& w_;
  const MlaSizes n_;
  RowType cached_, type_;  // of the cache's rows; of keys and values
  int keys_, first_key_;
  bool exact_;
  cpu::Buffer<float> rows_;  // [keys, latent + rope]
  std::vector<Piece> pieces_;
  cpu::MatrixView key_weights_;  // [nope, latent]: embed_q of the head, transposed
  cpu::Buffer<float> key_floats_, key_scales_, key_biases_;
  cpu::Buffer<std::uint8_t> key_codes_;
  cpu::Buffer<float> expanded_;                     // [piece, nope + v]
  cpu::Buffer<std::byte> head_keys_, head_values_;  // [keys] rows of type_
};

}  // namespace glimt::kernels::on_cpu

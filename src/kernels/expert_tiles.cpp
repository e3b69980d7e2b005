#include "kernels/expert_tiles.h"

namespace glimt::kernels::plain {
namespace {

constexpr int kFewestPicks = 64;

// Heights that MLX has a kernel for. A high tile reads a matrix for more rows, a low one wastes fewer.
int height_for(int picks, int experts) { return picks >= 32 * experts ? 64 : 16; }

}  // namespace

bool ExpertTiles::pay(int picks) { return picks >= kFewestPicks; }

ExpertTiles::ExpertTiles(State& state, const mx::array& indices, int experts)
    : height(height_for(static_cast<int>(indices.size()), experts)),
      count(static_cast<int>(indices.size()) / height + experts),
      expert(0),
      token_of_row(0),
      row_of_pick(0) {
  const int total = static_cast<int>(indices.size()), k = indices.shape(1);
  const mx::array picks = mx::astype(mx::flatten(indices), mx::int32), order = mx::argsort(picks);
  const mx::array is_own = mx::equal(mx::expand_dims(picks, 0), mx::expand_dims(mx::arange(experts), 1));
  const mx::array counts = mx::sum(mx::astype(is_own, mx::int32), -1);  // [E]
  const mx::array first_pick = mx::subtract(mx::cumsum(counts), counts);
  const mx::array tiles = mx::floor_divide(mx::add(counts, state.integer(height - 1)), state.integer(height));
  const mx::array tiles_end = mx::cumsum(tiles);
  const mx::array shift = mx::subtract(mx::multiply(mx::subtract(tiles_end, tiles), state.integer(height)), first_pick);

  // A tile belongs to the first expert whose tiles end behind it; the spare ones to the last.
  const mx::array numbers = mx::expand_dims(mx::arange(count), 1);
  const mx::array ended = mx::sum(mx::astype(mx::less_equal(mx::expand_dims(tiles_end, 0), numbers), mx::int32), -1);
  const mx::array own = mx::minimum(ended, state.integer(experts - 1));  // [count]
  expert = mx::astype(own, mx::uint32);

  // A row is that many behind its expert's first sorted pick as it is behind its first row; a spare one is anything.
  const mx::array rows = mx::reshape(mx::arange(count * height), {count, height});
  const mx::array sorted = mx::subtract(rows, mx::expand_dims(mx::take(shift, own), 1));
  const mx::array pick = mx::take(order, mx::minimum(mx::flatten(sorted), state.integer(total - 1)));
  token_of_row = mx::floor_divide(mx::astype(pick, mx::int32), state.integer(k));
  row_of_pick = mx::add(mx::astype(mx::argsort(order), mx::int32), mx::take(shift, picks));
}

}  // namespace glimt::kernels::plain

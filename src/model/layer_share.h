// One rank's part of every layer, where ranks share the width of a model (--split tensor): some of the attention's heads,
// and some columns of the values between an MLP's or an expert's two products. What a rank computes with it is a part
// of a sum of hidden states; norms, latents and the router are computed by every rank alike.
#pragma once

#include <mlx/mlx.h>

#include <memory>
#include <string>

namespace glimt {

namespace mx = mlx::core;

// Adds up what the ranks have computed.
class RankSums {
 public:
  virtual ~RankSums() = default;

  // part [N, hidden] -> the sum over all ranks, of its dtype; every rank gets the same bits.
  virtual mx::array all_sum(const mx::array& part) const = 0;
};

// Of several things in a row, or of columns.
struct Stretch {
  int from = 0, to = 0;

  int size() const { return to - from; }
};

struct LayerShare {
  int rank = 0, ranks = 1;
  std::shared_ptr<const RankSums> sums = nullptr;  // of a layer that computes with less than the whole

  bool is_whole() const { return ranks == 1; }

  // What belongs to the sum once, such as a bias.
  bool has_what_is_added_once() const { return rank == 0; }

  mx::array sum(const mx::array& part) const { return is_whole() ? part : sums->all_sum(part); }

  // This rank's part of `total` things that can be cut behind each `unit` of them: the ranks have about as many, the
  // first ones a unit more. Throws invalid_request, which names `what`, where a rank would get none. REQUIRES that
  // `unit` divides `total`.
  Stretch of(const std::string& what, int total, int unit) const;
};

}  // namespace glimt

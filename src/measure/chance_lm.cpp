#include "measure/chance_lm.h"

#include "kernels/kernels.h"

#include <utility>

namespace glimt {
namespace {

constexpr TokenId kNone = -1;
constexpr float kByFarTheLargest = 1e30f;

// logits [N, vocab] with tokens[i] the likeliest of row i. They are written where they lie: MLX's own operations would
// copy all of them, which takes as long as a layer.
mx::array with_likeliest(const mx::array& logits, const std::vector<TokenId>& tokens) {
  mx::array own = mx::contiguous(logits);
  kernels::evaluate({own});
  const auto vocab = static_cast<std::size_t>(own.shape(1));
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    own.data<float>()[row * vocab + static_cast<std::size_t>(tokens[row])] = kByFarTheLargest;
  }
  kernels::Handover::publish();
  return own;
}

}  // namespace

ChanceLm::ChanceLm(std::unique_ptr<CausalLm> model, double acceptance, std::shared_ptr<Control> control)
    : model_(std::move(model)), acceptance_(acceptance), control_(std::move(control)) {}

TokenId ChanceLm::any_token() const {
  return static_cast<TokenId>(random_() % static_cast<std::uint64_t>(config().vocab_size));
}

TokenId ChanceLm::any_token_but(TokenId token) const {
  const TokenId other = any_token();
  return other == token ? (other + 1) % static_cast<TokenId>(config().vocab_size) : other;
}

mx::array ChanceLm::forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                            const Observer& observe) const {
  guesses_.assign(ids.data<TokenId>(), ids.data<TokenId>() + ids.size());
  std::size_t row = 0;
  for (const kernels::StepSequence& sequence : *step) {
    const auto begin = guesses_.begin() + static_cast<std::ptrdiff_t>(row);
    std::move(begin + 1, begin + sequence.length, begin);
    row += static_cast<std::size_t>(sequence.length);
    guesses_[row - 1] = kNone;
  }
  return model_->forward(ids, pool, step, observe);
}

mx::array ChanceLm::unembed(const mx::array& hidden) const {
  const auto rows = static_cast<std::size_t>(hidden.shape(0));
  const bool all_decode = rows == guesses_.size();
  std::vector<TokenId> chosen(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    const TokenId guess = all_decode ? guesses_[row] : kNone;
    const bool stands = guess != kNone && std::uniform_real_distribution<double>()(random_) < acceptance_;
    chosen[row] = stands ? guess : any_token_but(guess);
  }
  return with_likeliest(model_->unembed(hidden), chosen);
}

mx::array ChanceLm::mtp_unembed(const mx::array& hidden) const {
  std::vector<TokenId> guesses(static_cast<std::size_t>(hidden.shape(0)));
  for (TokenId& guess : guesses) guess = any_token();
  return with_likeliest(model_->mtp_unembed(hidden), guesses);
}

}  // namespace glimt

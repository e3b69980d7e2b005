// What one sequence guesses ahead: from where, how deep, and what became of it.
#pragma once

#include "engine/draft_policy.h"
#include "engine/ngram_drafter.h"

#include <span>
#include <vector>

namespace glimt {

// Two sources: a place in the text that looked the same (worth long guesses, as in edits), else the model's MTP layer.
// Each has its own policy, which parks it while it does not pay. Used by the engine's thread.
class Drafting {
 public:
  enum class Source { none, ngram, mtp };

  static constexpr int kDeepestMtp = 3, kDeepestNgram = 8;
  // A long text is read in portions, so that no step waits for it: this many tokens a call, about a millisecond. Of
  // what is longer than the window its end is read.
  static constexpr std::size_t kPortion = 384;

  // Reads on in `text` for the look-up, one portion. For steps in which the sequence does not decode.
  void read(std::span<const TokenId> text);
  std::size_t position() const { return ngrams_.size(); }  // in the text: read up to here

  // Before each step that the sequence decodes in; reads a portion, too, and looks up nothing until it has read all.
  // cost: see DraftPolicy.
  struct Wish {
    Source source = Source::none;
    int depth = 0;                 // of the MTP layer's guesses
    std::vector<TokenId> guesses;  // of the n-gram look-up
  };
  Wish wish(std::span<const TokenId> text, std::span<const double> cost, bool has_mtp);

  // What became of the guesses of the last wish.
  void record(int drafted, int accepted);

 private:
  static constexpr NgramDrafterOptions kNgrams{.n_min = 3, .n_max = 8};

  NgramDrafter ngrams_{kNgrams};
  DraftPolicy ngram_policy_{{.max_depth = kDeepestNgram}};
  DraftPolicy mtp_policy_{{.max_depth = kDeepestMtp}};
  Source last_ = Source::none;
};

}  // namespace glimt

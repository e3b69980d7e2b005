// A text's way through a model while the model is quantized: tells which columns of each matrix matter before the matrix
// is quantized, and at the end how far the result's predictions are from the source's.
//
// Stage by stage, each for all tokens at once: 0 is the embedding, 1 … L the layers, L + 1 the last norm and the head,
// L + 2 the MTP layer. A stage's weights are read once from the disk: what computes here is what is quantized next. Of
// the text's windows every fourth is held back: no importance comes from it, and with these the result is measured.
//
// In memory are a layer, and the hidden states of the text; they are kept on the disk, too, after each stage, so that a
// conversion that was killed goes on from there with the same numbers. Used by one thread.
#pragma once

#include "base/json.h"
#include "base/token.h"
#include "checkpoint/config.h"
#include "convert/input_moments.h"
#include "measure/divergence.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt::convert {

struct CalibrationText {
  std::vector<TokenId> tokens;
  int context = 512;  // tokens of a window

  static constexpr std::size_t kMostTokens = 16384;  // 168 MB of hidden states at a width of 2048

  // Evenly spread windows of a text that is longer.
  void shorten(std::size_t most = kMostTokens);
};

class Calibration {
 public:
  // Computes nothing yet. Throws invalid_request for a text that the model cannot read or that has less than two tokens.
  Calibration(const std::filesystem::path& source, const Config& config, CalibrationText text);
  ~Calibration();
  Calibration(const Calibration&) = delete;
  Calibration& operator=(const Calibration&) = delete;

  // Another one for another text.
  const std::string& fingerprint() const { return fingerprint_; }

  int stages() const;  // L + 3, whether there is an MTP layer or not
  int stage_of(const std::string& tensor) const;

  // Goes on behind the last stage that `state`, a file, has been told is finished, or begins anew. `made` is the folder of
  // the result, whose files have their headers. Returns the first stage that is not finished. Throws bad_file.
  int open(const std::filesystem::path& made, const std::filesystem::path& state);

  // Told now and then with the share of a stage that is done; may throw to stop.
  using Tell = std::function<void(double share)>;

  // Stages in order. begin: the source computes, and importance_of knows the stage's matrices afterwards. end: the
  // result's weights of the stage are in its files; the result computes, and the stage is finished. Throw bad_file,
  // out_of_memory for a disk that has no room for the states.
  void begin(int stage, const Tell& tell);
  void end(int stage, const Tell& tell);

  // Of the matrix, or of each of a stack of `count`, in the stage that began last; nothing where no input was seen.
  Importance importance_of(const std::string& matrix, std::size_t count) const;

  // How far the result is from the source, on what was held back. Nothing before stage L + 1 has ended, and for a text of
  // less than four windows.
  const std::optional<DivergenceReport>& measured() const;

 private:
  class Impl;
  std::string fingerprint_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace glimt::convert

#include "convert/calibration.h"

#include "base/error.h"
#include "base/file.h"
#include "convert/calibration_state.h"
#include "kernels/ops.h"
#include "measure/window_pass.h"
#include "model/decoder_layer.h"
#include "model/glm4_moe_lite.h"
#include "model/load_model.h"
#include "model/observed_layer.h"

#include <algorithm>
#include <utility>

namespace glimt::convert {
namespace {

constexpr int kStepRows = 2048;
constexpr std::size_t kHeldBack = 4;                         // every so many windows
constexpr std::size_t kLogitsBytes = std::size_t{64} << 20;  // of the rows that are computed together

using States = std::vector<mx::array>;  // of each batch [windows · length, hidden]

// One of the two models, of whose weights only a stage's are in use. Its files may still be written.
struct HalfModel {
  HalfModel(const std::filesystem::path& folder, const Config& config, kernels::Device device)
      : weights(folder, config.quantization, std::move(device)) {}

  const Embedding& embedding(const Config& c) {
    if (!embed) embed.emplace(weights.device(), weights.take_shared("model.embed_tokens", c.vocab_size, c.hidden_size));
    return *embed;
  }

  void take_end(const Config& c) {
    norm.emplace(weights.device(), weights.take_vector("model.norm.weight", c.hidden_size), c.rms_norm_eps);
    head.emplace(take_head(c, weights, embedding(c)));
  }

  mx::array logits(const mx::array& states) const { return mx::astype((*head)((*norm)(states)), mx::float32); }

  Weights weights;
  std::optional<Embedding> embed;
  std::optional<RmsNorm> norm;
  std::optional<Linear> head;
};

std::vector<WindowBatch> batches_of(const std::vector<TokenId>& tokens, int context) {
  return tokens.size() < 2 ? std::vector<WindowBatch>() : cut_windows(tokens, context, kStepRows);
}

std::size_t tokens_of(const std::vector<WindowBatch>& batches) {
  std::size_t tokens = 0;
  for (const WindowBatch& batch : batches) tokens += batch.tokens.size();
  return tokens;
}

}  // namespace

void CalibrationText::shorten(std::size_t most) {
  const auto window = static_cast<std::size_t>(context);
  const std::size_t windows = tokens.size() / window, kept = most / window;
  if (tokens.size() <= most || kept == 0) return tokens.resize(std::min(tokens.size(), most));
  std::vector<TokenId> spread;
  for (std::size_t i = 0; i < kept; ++i) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(i * windows / kept * window);
    spread.insert(spread.end(), begin, begin + context);
  }
  tokens = std::move(spread);
}

class Calibration::Impl {
 public:
  Impl(const std::filesystem::path& source, const Config& config, const CalibrationText& text)
      : config_(config), device_(device_for({.exact = true})), source_(source, config, device_) {
    check(text);
    std::vector<TokenId> read, held;
    const auto window = static_cast<std::size_t>(text.context);
    for (std::size_t from = 0, i = 1; from < text.tokens.size(); from += window, ++i) {
      const auto begin = text.tokens.begin() + static_cast<std::ptrdiff_t>(from);
      const auto end = text.tokens.begin() + static_cast<std::ptrdiff_t>(std::min(text.tokens.size(), from + window));
      std::vector<TokenId>& part = i % kHeldBack == 0 && from + window <= text.tokens.size() ? held : read;
      part.insert(part.end(), begin, end);
    }
    read_ = batches_of(read, text.context);
    held_ = batches_of(held, text.context);
  }

  int layers() const { return config_.num_hidden_layers; }
  const InputMoments& moments() const { return moments_; }
  const std::optional<DivergenceReport>& measured() const { return report_; }

  int open(const std::filesystem::path& made, const std::filesystem::path& state) {
    made_.emplace(made, Config::from_folder(made), device_);
    state_ = state;
    const auto hidden = static_cast<std::size_t>(config_.hidden_size);
    CalibrationState kept = read_calibration_state(state, (tokens_of(read_) + 2 * tokens_of(held_)) * hidden);
    const float* values = kept.values.data();
    for (auto [states, batches] : all_states()) {
      states->clear();
      for (const WindowBatch& batch : kept.next_stage > 0 ? *batches : std::vector<WindowBatch>()) {
        const int rows = static_cast<int>(batch.tokens.size());
        states->emplace_back(values, mx::Shape{rows, config_.hidden_size}, mx::float32);
        values += batch.tokens.size() * hidden;
      }
    }
    return kept.next_stage;
  }

  void begin(int stage, const Tell& tell) {
    moments_.clear();
    total_ = tokens_of(read_) + tokens_of(held_);
    done_ = 0;
    if (stage == 0) {
      read_states_ = embed(source_, read_);
      held_states_ = embed(source_, held_);
    } else if (stage <= layers()) {
      pass_layer(stage - 1, tell);
    } else if (stage == layers() + 1) {
      source_.take_end(config_);
      const auto see = observer("", tell);
      for (const mx::array& states : read_states_) see("lm_head", 0, (*source_.norm)(states));
    } else if (source_.weights.has_prefix(layer_path(layers()) + ".")) {
      pass_mtp(tell);
    }
  }

  void end(int stage, const Tell& tell) {
    total_ = std::max<std::size_t>(1, tokens_of(held_));
    done_ = 0;
    if (stage == 0) made_states_ = embed(*made_, held_);
    if (stage > 0 && stage <= layers()) pass_made_layer(stage - 1, tell);
    if (stage == layers() + 1 && !held_.empty()) measure(tell);
    // Behind the last layer nothing changes that the next stages need, and they take little time.
    if (stage <= layers()) save(stage + 1);
  }

 private:
  using Part = std::pair<States*, const std::vector<WindowBatch>*>;
  std::vector<Part> all_states() { return {{&read_states_, &read_}, {&held_states_, &held_}, {&made_states_, &held_}}; }

  void check(const CalibrationText& text) const {
    const std::string where = "--calibrate";
    if (text.tokens.size() < 2) fail(ErrorKind::invalid_request, where, "the text must have at least 2 tokens");
    if (text.context > config_.max_position_embeddings) {
      fail(ErrorKind::invalid_request, where, "a context of {} tokens is wanted, the model has {}", text.context,
           config_.max_position_embeddings);
    }
    const TokenId largest = *std::max_element(text.tokens.begin(), text.tokens.end());
    if (largest >= config_.vocab_size) {
      fail(ErrorKind::invalid_request, where, "the text has token {}, the model knows {}", largest, config_.vocab_size);
    }
  }

  PoolShape cache_shape() const { return {1, config_.cache_width(), device_.rows(), &device_.ops()}; }

  void count(const WindowBatch& batch, const Tell& tell) {
    done_ += batch.tokens.size();
    tell(static_cast<double>(done_) / static_cast<double>(total_));
  }

  // Adds up what the matrices of `path` see. Long computations are between its calls, so that it also asks whether to go
  // on.
  InputObserver observer(const std::string& path, const Tell& tell) {
    return [this, path, tell](std::string_view matrix, int index, const mx::array& rows) {
      const mx::array squares = mx::sum(mx::square(mx::astype(rows, mx::float32)), 0);
      kernels::evaluate({squares});
      moments_.add(path + std::string(matrix), static_cast<std::size_t>(index), static_cast<std::size_t>(rows.shape(0)),
                   std::span(squares.data<float>(), squares.size()));
      tell(static_cast<double>(done_) / static_cast<double>(total_));
    };
  }

  States embed(HalfModel& model, const std::vector<WindowBatch>& batches) {
    States states;
    for (const WindowBatch& batch : batches) {
      states.push_back(model.embedding(config_)(kernels::uploaded(batch.tokens), device_.activations()));
      kernels::evaluate({states.back()});
    }
    return states;
  }

  void pass_layer(int index, const Tell& tell) {
    const std::string path = layer_path(index);
    source_.weights.expect(layer_path(index + 1) + ".");
    const ObservedLayer layer(config_, source_.weights, path, config_.is_moe_layer[static_cast<std::size_t>(index)]);
    const auto pass = [&](States& states, const std::vector<WindowBatch>& batches, const InputObserver& see) {
      for (std::size_t b = 0; b < batches.size(); ++b) {
        const auto forward = [&](const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step) {
          return layer.forward(x, rows, step, see);
        };
        states[b] = pass_windows(states[b], batches[b].windows, cache_shape(), kStepRows, forward);
        count(batches[b], tell);
      }
    };
    pass(read_states_, read_, observer(path + ".", tell));
    pass(held_states_, held_, [](std::string_view, int, const mx::array&) {});
  }

  // The result's layer. The source's is no longer needed either.
  void pass_made_layer(int index, const Tell& tell) {
    const std::string path = layer_path(index);
    {
      const DecoderLayer layer(config_, made_->weights, path, config_.is_moe_layer[static_cast<std::size_t>(index)]);
      for (std::size_t b = 0; b < held_.size(); ++b) {
        made_states_[b] = pass_windows(made_states_[b], held_[b].windows, cache_shape(), kStepRows, layer);
        count(held_[b], tell);
      }
    }
    made_->weights.drop(path + ".");
    source_.weights.drop(path + ".");
  }

  // A window's states [length, hidden] behind the last norm predict, with the token that follows, the one after it.
  void pass_mtp(const Tell& tell) {
    const std::string path = layer_path(layers());
    const Config& c = config_;
    Weights& weights = source_.weights;
    const bool own_embed = weights.has(path + ".embed_tokens.weight");
    const Embedding embed(device_, own_embed ? weights.take_shared(path + ".embed_tokens", c.vocab_size, c.hidden_size)
                                             : source_.embedding(c).table());
    const auto norm = [&](const char* name) {
      return RmsNorm(device_, weights.take_vector(path + name, c.hidden_size), c.rms_norm_eps);
    };
    const RmsNorm enorm = norm(".enorm.weight"), hnorm = norm(".hnorm.weight"), last = norm(".shared_head.norm.weight");
    const Linear eh_proj(device_, weights.take_shared(path + ".eh_proj", c.hidden_size, 2 * c.hidden_size));
    const ObservedLayer layer(c, weights, path, true);
    const InputObserver see = observer(path + ".", tell);
    for (std::size_t b = 0; b < read_.size(); ++b) {
      const mx::array joined = mx::concatenate({enorm(embed(next_tokens(read_[b]), device_.activations())),
                                                hnorm((*source_.norm)(without_last(read_states_[b], read_[b])))},
                                               -1);
      see("eh_proj", 0, joined);
      const mx::array x = eh_proj(joined);
      kernels::evaluate({x});
      const auto forward = [&](const mx::array& rows_in, kernels::PagedRows& rows, const kernels::StepPtr& step) {
        return layer.forward(rows_in, rows, step, see);
      };
      see("shared_head.head", 0, last(pass_windows(x, read_[b].windows, cache_shape(), kStepRows, forward, 1)));
      count(read_[b], tell);
    }
    weights.drop(path + ".");
  }

  static mx::array next_tokens(const WindowBatch& batch) {
    std::vector<int> ids;
    for (int window = 0; window < batch.windows; ++window) {
      for (int i = 1; i < batch.length; ++i) ids.push_back(batch.at(window, i));
    }
    return kernels::uploaded(ids);
  }

  static mx::array without_last(const mx::array& states, const WindowBatch& batch) {
    const int hidden = states.shape(1);
    const mx::array by_window = mx::reshape(states, {batch.windows, batch.length, hidden});
    return mx::reshape(mx::slice(by_window, {0, 0, 0}, {batch.windows, batch.length - 1, hidden}), {-1, hidden});
  }

  void measure(const Tell& tell) {
    made_->take_end(config_);
    DivergenceMeter meter;
    const std::size_t row_bytes = sizeof(float) * static_cast<std::size_t>(config_.vocab_size);
    const int portion = static_cast<int>(std::max<std::size_t>(1, kLogitsBytes / row_bytes));
    for (std::size_t b = 0; b < held_.size(); ++b) {
      const WindowBatch& batch = held_[b];
      for (int window = 0; window < batch.windows; ++window) {
        for (int from = 0; from < batch.length - 1; from += portion) {
          measure_rows(b, window, from, std::min(from + portion, batch.length - 1), meter);
        }
        meter.end_window();
      }
      count(batch, tell);
    }
    report_ = meter.report();
  }

  void measure_rows(std::size_t b, int window, int from, int to, DivergenceMeter& meter) const {
    const int begin = window * held_[b].length;
    const auto rows = [&](const States& states) {
      return mx::slice(states[b], {begin + from, 0}, {begin + to, config_.hidden_size});
    };
    const mx::array wanted = source_.logits(rows(held_states_)), got = made_->logits(rows(made_states_));
    kernels::evaluate({wanted, got});
    const auto width = static_cast<std::size_t>(config_.vocab_size);
    for (int i = from; i < to; ++i) {
      const std::size_t at = static_cast<std::size_t>(i - from) * width;
      meter.add(LogitsRow(std::span(wanted.data<float>() + at, width)),
                LogitsRow(std::span(got.data<float>() + at, width)), held_[b].at(window, i + 1));
    }
  }

  void save(int next_stage) {
    std::vector<std::span<const float>> parts;
    for (const auto& [states, batches] : all_states()) {
      for (mx::array& one : *states) {
        one = mx::contiguous(mx::astype(one, mx::float32));
        kernels::evaluate({one});
        parts.emplace_back(one.data<float>(), one.size());
      }
    }
    write_calibration_state(state_, next_stage, parts);
  }

  const Config config_;
  const kernels::Device device_;
  HalfModel source_;
  std::optional<HalfModel> made_;
  std::filesystem::path state_;
  std::vector<WindowBatch> read_, held_;
  States read_states_, held_states_, made_states_;
  InputMoments moments_;
  std::optional<DivergenceReport> report_;
  std::size_t done_ = 0, total_ = 1;  // tokens of the pass that runs
};

Calibration::Calibration(const std::filesystem::path& source, const Config& config, CalibrationText text)
    : fingerprint_(fmt::format("{} {}", text.context, fmt::join(text.tokens, ","))),
      impl_(std::make_unique<Impl>(source, config, text)) {}

Calibration::~Calibration() = default;

int Calibration::stages() const { return impl_->layers() + 3; }

int Calibration::stage_of(const std::string& tensor) const {
  for (int i = 0; i <= impl_->layers(); ++i) {
    if (tensor.starts_with(layer_path(i) + ".")) return i < impl_->layers() ? i + 1 : impl_->layers() + 2;
  }
  return tensor.starts_with("model.embed_tokens.") ? 0 : impl_->layers() + 1;
}

int Calibration::open(const std::filesystem::path& made, const std::filesystem::path& state) {
  return impl_->open(made, state);
}

void Calibration::begin(int stage, const Tell& tell) { impl_->begin(stage, tell); }

void Calibration::end(int stage, const Tell& tell) { impl_->end(stage, tell); }

Importance Calibration::importance_of(const std::string& matrix, std::size_t count) const {
  return impl_->moments().importance_of(matrix, count);
}

const std::optional<DivergenceReport>& Calibration::measured() const { return impl_->measured(); }

}  // namespace glimt::convert

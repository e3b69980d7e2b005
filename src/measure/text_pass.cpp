#include "measure/text_pass.h"

#include "base/error.h"
#include "measure/text_windows.h"
#include "measure/window_pass.h"
#include "model/layered_model.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kLogitsBytes = std::size_t{64} << 20;  // of the rows that are computed together

using Batches = std::span<const WindowBatch>;

class Counter {
 public:
  Counter(std::size_t total, const TextPassVisitor& visitor) : total_(total), visitor_(visitor) {}
  void add(std::size_t count) {
    done_ += count;
    if (visitor_.progress) visitor_.progress(done_, total_);
  }

 private:
  std::size_t done_ = 0, total_;
  const TextPassVisitor& visitor_;
};

// The last layer's states of each batch.
std::vector<mx::array> last_states(LayeredModel& model, Batches batches, int step_rows, Counter& counter) {
  std::vector<mx::array> states;
  for (const WindowBatch& batch : batches) {
    states.push_back(model.embed(kernels::uploaded(batch.tokens)));
    kernels::evaluate({states.back()});
  }
  for (int i = 0; i < model.layers(); ++i) {
    {
      const DecoderLayer layer = model.take_layer(i);
      for (std::size_t b = 0; b < batches.size(); ++b) {
        states[b] = pass_windows(states[b], batches[b].windows, model.cache_shape(), step_rows, layer);
        counter.add(batches[b].tokens.size());
      }
    }
    model.drop_layer(i);
  }
  return states;
}

// What one section of a text needs: the models, and their states behind the last layer.
struct Section {
  std::vector<std::unique_ptr<LayeredModel>> models;
  std::vector<std::vector<mx::array>> states;  // [model][batch]
};

class TextPass {
 public:
  TextPass(const std::vector<std::filesystem::path>& folders, const TextPassOptions& options,
           const TextPassVisitor& visitor)
      : folders_(folders), options_(options), visitor_(visitor) {}

  void run(std::span<const TokenId> text) {
    const std::vector<WindowBatch> batches = cut_windows(text, options_.context, options_.step_rows);
    std::size_t passes = 0, tokens = 0;
    for (const WindowBatch& batch : batches) tokens += batch.tokens.size();
    for (const auto& folder : folders_) {
      passes += static_cast<std::size_t>(check(folder, text).num_hidden_layers) + 1;  // the head is one, too
    }
    for (const auto& folder : folders_) check_layers(folder, {.exact = options_.exact});
    Counter counter(passes * tokens, visitor_);
    for (Batches rest = batches; !rest.empty();) {
      const Batches section = rest.first(section_size(rest));
      visit(compute(section, counter), section, counter);
      rest = rest.subspan(section.size());
    }
  }

 private:
  Config check(const std::filesystem::path& folder, std::span<const TokenId> text) {
    Config config = Config::from_folder(folder);
    const std::string where = folder.string();
    if (options_.context > config.max_position_embeddings) {
      fail(ErrorKind::invalid_request, where, "a context of {} tokens is wanted, the model has {}", options_.context,
           config.max_position_embeddings);
    }
    if (vocab_size_ == 0) vocab_size_ = config.vocab_size;
    if (config.vocab_size != vocab_size_) {
      fail(ErrorKind::invalid_request, where, "has a vocabulary of {} tokens, {} has {}: they cannot be compared",
           config.vocab_size, folders_.front().string(), vocab_size_);
    }
    const TokenId largest = *std::max_element(text.begin(), text.end());
    if (largest >= vocab_size_) {
      fail(ErrorKind::invalid_request, where, "the text has token {}, the model knows {}", largest, vocab_size_);
    }
    hidden_size_ = std::max(hidden_size_, config.hidden_size);
    return config;
  }

  std::size_t section_size(Batches batches) const {
    const std::size_t most = options_.hidden_bytes / (sizeof(float) * static_cast<std::size_t>(hidden_size_));
    std::size_t count = 0, tokens = 0;
    while (count < batches.size() && (count == 0 || tokens + batches[count].tokens.size() <= most)) {
      tokens += batches[count++].tokens.size();
    }
    return count;
  }

  Section compute(Batches batches, Counter& counter) const {
    Section section;
    for (const auto& folder : folders_) {
      section.models.push_back(std::make_unique<LayeredModel>(folder, LoadOptions{.exact = options_.exact}));
      section.states.push_back(last_states(*section.models.back(), batches, options_.step_rows, counter));
    }
    return section;
  }

  void visit(const Section& section, Batches batches, Counter& counter) const {
    const std::size_t row_bytes = sizeof(float) * static_cast<std::size_t>(std::max(1, vocab_size_));
    const int portion = static_cast<int>(std::max<std::size_t>(1, kLogitsBytes / row_bytes));
    for (std::size_t b = 0; b < batches.size(); ++b) {
      const int predicted = batches[b].length - 1;
      for (int window = 0; window < batches[b].windows; ++window) {
        for (int from = 0; from < predicted; from += portion) {
          visit_rows(section, b, batches[b], window, from, std::min(from + portion, predicted));
        }
        visitor_.end_window();
        counter.add(section.models.size() * static_cast<std::size_t>(batches[b].length));
      }
    }
  }

  void visit_rows(const Section& section, std::size_t b, const WindowBatch& batch, int window, int from, int to) const {
    std::vector<mx::array> logits;
    for (std::size_t m = 0; m < section.models.size(); ++m) {
      const mx::array& states = section.states[m][b];
      const int begin = window * batch.length;
      logits.push_back(section.models[m]->unembed(mx::slice(states, {begin + from, 0}, {begin + to, states.shape(1)})));
    }
    kernels::evaluate(logits);
    const auto width = static_cast<std::size_t>(vocab_size_);
    for (int i = from; i < to; ++i) {
      std::vector<LogitsRow> rows;
      rows.reserve(logits.size());
      for (const mx::array& of_model : logits) {
        rows.emplace_back(std::span(of_model.data<float>() + static_cast<std::size_t>(i - from) * width, width));
      }
      visitor_.token(rows, batch.at(window, i + 1));
    }
  }

  const std::vector<std::filesystem::path>& folders_;
  const TextPassOptions& options_;
  const TextPassVisitor& visitor_;
  int vocab_size_ = 0, hidden_size_ = 1;
};

}  // namespace

void pass_text(const std::vector<std::filesystem::path>& folders, std::span<const TokenId> text,
               const TextPassOptions& options, const TextPassVisitor& visitor) {
  TextPass(folders, options, visitor).run(text);
}

}  // namespace glimt

#include "engine/generator.h"

#include "base/error.h"
#include "base/json.h"
#include "kernels/cpu/thread_pool.h"
#include "model/registry.h"

#include <algorithm>
#include <chrono>

namespace glimt {
namespace {

// MLX frees buffers above this much; reusing them spares page faults in every step.
constexpr std::size_t kBufferCacheBytes = std::size_t{256} << 20;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

mx::array as_ids(std::span<const TokenId> tokens) {  // [L]
  return mx::array(tokens.data(), {static_cast<int>(tokens.size())}, mx::int32);
}

mx::array rows_of(const mx::array& x, int from, int to) { return mx::slice(x, {from, 0}, {to, x.shape(1)}); }

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::vector<TokenId> eos_of_generation_config(const std::filesystem::path& folder, int vocab_size) {
  const std::filesystem::path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  const json::value file = parse_json_file(path);
  return file.is_object() ? eos_token_ids(file.get_object(), vocab_size, path.string()) : std::vector<TokenId>();
}

}  // namespace

std::unique_ptr<Generator> Generator::load(const std::filesystem::path& folder, const GeneratorOptions& options) {
  LoadedModel loaded = load_model(folder, {.exact = options.exact});
  auto generator = std::make_unique<Generator>(std::move(loaded.model), options);
  generator->weight_bytes_ = loaded.weight_bytes;
  for (const TokenId id : eos_of_generation_config(folder, generator->model_->config().vocab_size)) {
    if (std::find(generator->eos_.begin(), generator->eos_.end(), id) == generator->eos_.end())
      generator->eos_.push_back(id);
  }
  return generator;
}

Generator::Generator(std::unique_ptr<CausalLm> model, const GeneratorOptions& options)
    : model_(std::move(model)),
      context_(static_cast<std::size_t>(model_->max_context_length())),
      eos_(model_->config().eos_token_id) {
  if (options.context > context_) {
    fail(ErrorKind::invalid_request, "context", "{} tokens asked for, the model allows {}", options.context, context_);
  }
  if (options.context > 0) context_ = options.context;
  if (options.threads > 0) cpu::set_threads(options.threads);
  mx::set_cache_limit(kBufferCacheBytes);
  forget();
}

std::size_t Generator::cache_bytes() const {
  const std::size_t blocks = (cached_.size() + kernels::kBlockRows - 1) / kernels::kBlockRows;
  return blocks * model_->cache_shape().block_bytes();
}

void Generator::forget() {
  cached_.clear();
  cache_.emplace(model_->cache_shape(), 1, static_cast<int>(context_));
  mtp_cache_.reset();
  last_hidden_.reset();
}

void Generator::check(const GenerationRequest& request) const {
  if (request.prompt.empty()) fail(ErrorKind::invalid_request, "prompt", "is empty");
  if (request.prompt.size() >= context_) {
    fail(ErrorKind::invalid_request, "prompt", "is {} tokens long, the context holds {} for prompt and answer",
         request.prompt.size(), context_);
  }
  for (const TokenId token : request.prompt) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_size()) {
      fail(ErrorKind::invalid_request, "prompt", "token {} is outside the vocabulary of {}", token, vocab_size());
    }
  }
  if (request.prefill_chunk == 0) fail(ErrorKind::invalid_request, "prefill_chunk", "must be at least 1");
  if (request.measure_drafts && !has_mtp()) {
    fail(ErrorKind::unsupported, "measure_drafts", "this checkpoint has no MTP layer");
  }
}

// Cuts the caches back to what the prompt shares with them, and leaves at least its last token to compute.
std::size_t Generator::reuse_prefix(const GenerationRequest& request) {
  std::size_t shared = std::min(common_prefix(cached_, request.prompt), request.prompt.size() - 1);
  if (request.measure_drafts) {
    // The MTP row of the last shared position has read the token behind it: that position is computed again. A cache
    // that the last request did not keep up starts from nothing.
    const std::size_t rows = mtp_cache_ ? static_cast<std::size_t>(mtp_cache_->length()) : 0;
    shared = std::min(shared == 0 ? 0 : shared - 1, rows);
    if (!mtp_cache_) mtp_cache_.emplace(model_->cache_shape(), 1, static_cast<int>(context_), 1);
    mtp_cache_->trim(static_cast<int>(shared));
  } else {
    mtp_cache_.reset();
  }
  cache_->trim(static_cast<int>(shared));
  cached_.resize(shared);
  return shared;
}

mx::array Generator::advance(std::span<const TokenId> tokens, bool with_mtp) {
  const mx::array ids = as_ids(tokens);
  const int length = static_cast<int>(tokens.size());
  const mx::array hidden = model_->forward(ids, cache_->pool(), cache_->extend(length));
  const mx::array last = rows_of(hidden, length - 1, length);
  mx::eval(hidden);
  if (with_mtp) {
    // MTP rows lag one behind: position i needs token i + 1. The last hidden state of the previous call comes first.
    const bool first = mtp_cache_->length() == static_cast<int>(cached_.size());
    const auto append = [&](const mx::array& states, const mx::array& next) {
      mx::eval(model_->mtp_forward(states, next, mtp_cache_->pool(), mtp_cache_->extend(states.shape(0))));
    };
    if (first && length > 1) {
      append(rows_of(hidden, 0, length - 1), mx::slice(ids, {1}, {length}));
    } else if (!first) {
      append(rows_of(mx::concatenate({*last_hidden_, hidden}, 0), 0, length), ids);
    }
  }
  mx::eval(last);
  last_hidden_ = last;
  cached_.insert(cached_.end(), tokens.begin(), tokens.end());
  return last;
}

std::span<const float> Generator::logits_of(const mx::array& hidden) {
  logits_ = mx::contiguous(model_->unembed(hidden));
  mx::eval(*logits_);
  return {logits_->data<float>(), vocab_size()};
}

// The MTP layer's guess of the token behind `token`, which itself comes next in the trunk.
TokenId Generator::draft_next(TokenId token) {
  const mx::array hidden =
      model_->mtp_forward(*last_hidden_, as_ids({&token, 1}), mtp_cache_->pool(), mtp_cache_->extend(1));
  mx::array guess = mx::argmax(model_->mtp_unembed(hidden));
  const auto id = static_cast<TokenId>(guess.item<std::uint32_t>());
  mtp_cache_->trim(static_cast<int>(cached_.size()) - 1);  // advance() appends the same row again
  return id;
}

GenerationResult Generator::generate(const GenerationRequest& request, const PrefillCallback& on_prefill,
                                     const TokenCallback& on_token) {
  check(request);
  Sampler sampler(request.sampling, vocab_size());
  GenerationResult result;
  GenerationStats& stats = result.stats;
  try {
    stats.prompt_tokens = request.prompt.size();
    stats.reused_tokens = reuse_prefix(request);
    const auto start = Clock::now();
    std::optional<mx::array> hidden;
    while (cached_.size() < request.prompt.size()) {
      if (on_prefill && !on_prefill(cached_.size(), request.prompt.size())) return {FinishReason::cancelled, stats};
      const std::size_t count = std::min(request.prefill_chunk, request.prompt.size() - cached_.size());
      hidden = advance(std::span(request.prompt).subspan(cached_.size(), count), request.measure_drafts);
    }
    if (on_prefill && !on_prefill(cached_.size(), request.prompt.size())) return {FinishReason::cancelled, stats};
    stats.prefill_seconds = seconds_since(start);

    const auto decode_start = Clock::now();
    const std::size_t room = context_ - request.prompt.size();
    const std::size_t limit = request.max_tokens == 0 ? room : std::min(request.max_tokens, room);
    std::vector<TokenId> history = request.prompt;
    std::optional<TokenId> draft;
    result.reason = FinishReason::length;
    while (stats.generated_tokens < limit) {
      const Sampled sampled = sampler.sample(logits_of(*hidden), history);
      ++stats.generated_tokens;
      history.push_back(sampled.token);
      if (draft) {
        ++stats.drafted;
        if (*draft == sampled.token) ++stats.accepted;
      }
      stats.decode_seconds = seconds_since(decode_start);
      const bool ended = std::find(request.eos.begin(), request.eos.end(), sampled.token) != request.eos.end();
      if (ended || !on_token({sampled.token, sampled.logprob, sampled.top})) {
        result.reason = FinishReason::stop;
        break;
      }
      if (stats.generated_tokens == limit) break;
      if (request.measure_drafts) draft = draft_next(sampled.token);
      hidden = advance({&sampled.token, 1}, request.measure_drafts);
    }
  } catch (...) {
    forget();  // the cache may hold half a step
    throw;
  }
  return result;
}

}  // namespace glimt

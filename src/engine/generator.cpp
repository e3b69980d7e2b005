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

mx::array as_ids(std::span<const TokenId> tokens) {  // [1, L]
  return mx::array(tokens.data(), {1, static_cast<int>(tokens.size())}, mx::int32);
}

mx::array last_position(const mx::array& hidden) {
  return mx::slice(hidden, {0, hidden.shape(1) - 1, 0}, {1, hidden.shape(1), hidden.shape(2)});
}

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
  std::size_t total = mtp_cache_ ? mtp_cache_->nbytes() : 0;
  for (const LatentCache& cache : caches_) total += cache.nbytes();
  return total;
}

void Generator::forget() {
  cached_.clear();
  caches_ = model_->make_caches();
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
    if (!mtp_cache_) mtp_cache_ = model_->make_mtp_cache();
    mtp_cache_->trim(static_cast<int>(shared));
  } else {
    mtp_cache_.reset();
  }
  for (LatentCache& cache : caches_) cache.trim(static_cast<int>(shared));
  cached_.resize(shared);
  return shared;
}

mx::array Generator::advance(std::span<const TokenId> tokens, bool with_mtp) {
  const mx::array ids = as_ids(tokens);
  const mx::array hidden = model_->forward(ids, caches_);
  if (with_mtp) {
    // MTP rows lag one behind: position i needs token i + 1. The last hidden state of the previous call comes first.
    const int length = static_cast<int>(tokens.size());
    const bool first = mtp_cache_->length() == static_cast<int>(cached_.size());
    if (first && length > 1) {
      const mx::array states = mx::slice(hidden, {0, 0, 0}, {1, length - 1, hidden.shape(2)});
      mx::eval(model_->mtp_forward(states, mx::slice(ids, {0, 1}, {1, length}), *mtp_cache_));
    } else if (!first) {
      const mx::array states =
          mx::slice(mx::concatenate({*last_hidden_, hidden}, 1), {0, 0, 0}, {1, length, hidden.shape(2)});
      mx::eval(model_->mtp_forward(states, ids, *mtp_cache_));
    }
  }
  const mx::array last = last_position(hidden);
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
  const mx::array hidden = model_->mtp_forward(*last_hidden_, as_ids({&token, 1}), *mtp_cache_);
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
    forget();  // the caches may hold half a step
    throw;
  }
  return result;
}

}  // namespace glimt

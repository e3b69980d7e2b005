#include "chat/answer_memory.h"

#include "base/text.h"
#include "text/glm_tags.h"

#include <utility>

namespace glimt {

std::size_t AnswerMemory::Stretch::bytes() const {
  constexpr std::size_t kEntry = 64;  // of the list and the map
  return kEntry + sizeof(Stretch) + text.capacity() + tokens.capacity() * sizeof(TokenId);
}

void AnswerMemory::remember(std::uint64_t hash, std::string_view text, std::span<const TokenId> tokens) noexcept {
  try {
    Stretch stretch{hash, std::string(text), {tokens.begin(), tokens.end()}};
    const std::lock_guard lock(mutex_);
    if (stretch.bytes() > most_bytes_) return;
    if (const auto known = by_hash_.find(hash); known != by_hash_.end()) {
      bytes_ -= known->second->bytes();
      stretches_.erase(known->second);
      by_hash_.erase(known);
    }
    stretches_.push_front(std::move(stretch));
    bytes_ += stretches_.front().bytes();
    by_hash_[hash] = stretches_.begin();
    forget_beyond_bound();
  } catch (...) {
    // There was no memory for it.
  }
}

void AnswerMemory::forget_beyond_bound() {
  while (bytes_ > most_bytes_) {
    bytes_ -= stretches_.back().bytes();
    by_hash_.erase(stretches_.back().hash);
    stretches_.pop_back();
  }
}

std::optional<std::vector<TokenId>> AnswerMemory::find(std::uint64_t hash, std::string_view text) {
  const std::lock_guard lock(mutex_);
  const auto known = by_hash_.find(hash);
  if (known == by_hash_.end() || known->second->text != text) return std::nullopt;
  stretches_.splice(stretches_.begin(), stretches_, known->second);
  return known->second->tokens;
}

std::vector<TokenId> AnswerMemory::encode(const Tokenizer& tokenizer, const RenderedPrompt& prompt,
                                          std::size_t context) {
  TextHash hash;
  std::size_t hashed = 0;
  return tokenizer.encode(prompt, context, [&](std::size_t begin, std::size_t end) {
    const std::string_view text(prompt.text);
    hash.add(text.substr(hashed, end - hashed));
    hashed = end;
    return find(hash.value(), text.substr(begin, end - begin));
  });
}

AnswerRecorder::AnswerRecorder(std::shared_ptr<AnswerMemory> memory, const RenderedPrompt& prompt)
    : memory_(std::move(memory)), whole_(!prompt.controls.empty() && prompt.controls.back().end == prompt.text.size()) {
  if (memory_) hash_.add(prompt.text);
}

void AnswerRecorder::push(const Tokenizer& tokenizer, TokenId token) {
  if (!memory_) return;
  if (tokenizer.is_control(token)) {
    end_stretch();
    hash_.add(tokenizer.piece(token));
    exact_ = tokenizer.piece(token) == text_of(GlmTag::value);
    return;
  }
  text_ += tokenizer.piece(token);
  tokens_.push_back(token);
}

void AnswerRecorder::finish() {
  if (memory_) end_stretch();
}

void AnswerRecorder::end_stretch() {
  const std::string_view told = exact_ ? std::string_view(text_) : trimmed(text_);
  hash_.add(told);
  if (whole_ && !tokens_.empty()) memory_->remember(hash_.value(), told, tokens_);
  whole_ = true;
  text_.clear();
  tokens_.clear();
}

}  // namespace glimt

// How the model spelled what it wrote. A client sends an answer back as text, and that text's own tokens need not be
// those that the model chose for it ("ed" "it" is "edit", too, above all where a grammar holds the pen): then the rows
// of that answer could not be taken from the prefix cache. What is remembered here is used instead, where the same text
// stands behind the same text. Templates strip white space at the ends of thinking, content and names; what the model
// wrote there is remembered with them, so it stands in the next prompt again.
#pragma once

#include "text/rendered_prompt.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace glimt {

// Of a text that grows: FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv). Two texts of one hash do no harm, see find.
class TextHash {
 public:
  void add(std::string_view text) {
    for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

// Stretches of text between control tokens. Any thread may use it. What was used longest ago is forgotten first.
class AnswerMemory {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;

  explicit AnswerMemory(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  // `text` is what the tokens spell, perhaps without white space at its ends; `hash` is that of the conversation up to
  // its end. Not to remember something is no error: never throws.
  void remember(std::uint64_t hash, std::string_view text, std::span<const TokenId> tokens) noexcept;

  // The tokens that were remembered for this text in this place. In any case they spell it, but for white space at the
  // ends.
  std::optional<std::vector<TokenId>> find(std::uint64_t hash, std::string_view text);

  // Tokenizer::encode, but with what was remembered of the prompt's text.
  std::vector<TokenId> encode(const Tokenizer& tokenizer, const RenderedPrompt& prompt, std::size_t context);

 private:
  struct Stretch {
    std::uint64_t hash;
    std::string text;
    std::vector<TokenId> tokens;

    std::size_t bytes() const;
  };

  void forget_beyond_bound();

  const std::size_t most_bytes_;
  std::mutex mutex_;
  std::list<Stretch> stretches_;  // by use, the latest first
  std::unordered_map<std::uint64_t, std::list<Stretch>::iterator> by_hash_;
  std::size_t bytes_ = 0;
};

// Writes one answer into the memory, while it comes. Does nothing without one.
class AnswerRecorder {
 public:
  AnswerRecorder() = default;
  AnswerRecorder(std::shared_ptr<AnswerMemory> memory, const RenderedPrompt& prompt);

  void push(const Tokenizer& tokenizer, TokenId token);
  void finish();  // the answer's end

 private:
  void end_stretch();

  std::shared_ptr<AnswerMemory> memory_;  // may be null
  TextHash hash_;
  bool whole_ = true;   // the stretch began here, not in the prompt
  bool exact_ = false;  // white space at its ends counts: the value of an argument
  std::string text_;    // of the stretch
  std::vector<TokenId> tokens_;
};

}  // namespace glimt

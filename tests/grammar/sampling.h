// Answers of a model that knows nothing: random tokens among those that a mask allows, from a seed. Shared by the tests
// of the grammars and grammar_samples.
#pragma once

#include "grammar/grammar.h"
#include "text/tokenizer.h"

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace glimt::test {

// The demo model's: 3,072 ids.
inline const Tokenizer& demo_tokenizer() {
  static const Tokenizer loaded(std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo");
  return loaded;
}

inline std::vector<TokenId> demo_ends() {
  std::vector<TokenId> ends;
  for (const std::string_view text : {"<|endoftext|>", "<|user|>", "<|observation|>"}) {
    ends.push_back(demo_tokenizer().token_id(text).value());
  }
  return ends;
}

// With a few columns of padding, as models have.
inline const std::shared_ptr<const GrammarEnvironment>& demo_environment() {
  static const auto made =
      std::make_shared<const GrammarEnvironment>(demo_tokenizer(), demo_tokenizer().vocab_size() + 50, demo_ends());
  return made;
}

inline bool allows(const std::vector<std::uint32_t>& mask, TokenId id) {
  return ((mask[static_cast<std::size_t>(id) / 32] >> (id % 32)) & 1) != 0;
}

inline std::vector<TokenId> allowed(Matcher& matcher) {
  std::vector<std::uint32_t> mask(demo_environment()->mask_words());
  matcher.mask(mask);
  std::vector<TokenId> ids;
  for (std::size_t id = 0; id < mask.size() * 32; ++id) {
    if (allows(mask, static_cast<TokenId>(id))) ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

// Appends the tokens of a text, in which tags are control tokens. False, and it stands somewhere in it, if one is
// refused.
inline bool accept_all(Matcher& matcher, std::string_view text) {
  for (const TokenId id : demo_tokenizer().encode_raw(text)) {
    if (!matcher.accept(id)) return false;
  }
  return true;
}

// Whether the text may be an answer.
inline bool admits(const Grammar& grammar, std::string_view text) {
  Matcher matcher = grammar.matcher();
  return accept_all(matcher, text) && matcher.accept(demo_ends().front());
}

struct Sample {
  std::vector<TokenId> tokens;  // without the end token
  std::string text;
  bool finished = false;  // else it was cut at the limit, or `broken`
  std::string broken;     // what the grammar did that it must not
};

// A random answer of at most `limit` tokens. Uniform choices would hardly ever end a string or an array, so the tokens
// that can end something get a share that grows.
inline Sample sample(const Grammar& grammar, std::uint64_t seed, std::size_t limit) {
  std::mt19937_64 random(seed);
  const Tokenizer& tokenizer = demo_tokenizer();
  Matcher matcher = grammar.matcher();
  Sample result;
  while (result.tokens.size() < limit) {
    const std::vector<TokenId> ids = allowed(matcher);
    std::vector<TokenId> ends;
    std::vector<TokenId> closing;
    std::vector<TokenId> separators;
    for (const TokenId id : ids) {
      const std::string_view piece = tokenizer.piece(id);
      if (piece.empty()) result.broken = "an id without text is allowed";
      if (tokenizer.is_special(id)) {
        ends.push_back(id);
      } else if (tokenizer.is_control(id) || piece == "\"" || piece == "}" || piece == "]" || piece == "\"}" ||
                 piece == "\"]") {
        closing.push_back(id);
      } else if (piece.size() == 1 && std::ispunct(static_cast<unsigned char>(piece.front())) != 0) {
        separators.push_back(id);
      }
    }
    if (ids.empty()) result.broken = "an empty mask";
    if (!result.broken.empty()) return result;
    const bool late = result.tokens.size() > limit / 4;
    const bool press = late || random() % 6 == 0;
    const std::vector<TokenId>* among = &ids;
    if (press) {
      if (!separators.empty()) among = &separators;
      if (!closing.empty() && (separators.empty() || random() % 4 != 0)) among = &closing;
      if (!ends.empty()) among = &ends;
    }
    const TokenId id = (*among)[random() % among->size()];
    if (!matcher.accept(id)) {
      result.broken = "a token of the mask was refused";
      return result;
    }
    if (matcher.state() == Matcher::State::ended) {
      result.finished = true;
      return result;
    }
    result.tokens.push_back(id);
    result.text += tokenizer.piece(id);
  }
  return result;
}

}  // namespace glimt::test

// Text to token ids and back: a byte-level BPE tokenizer.json, as Hugging Face's `tokenizers` reads it.
#pragma once

#include "base/token.h"
#include "text/control_tokens.h"
#include "text/rendered_prompt.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct GtTokenizer;

namespace glimt {

// Immutable: any number of threads may call the const methods at once. Movable, not copyable.
//
// Texts must be UTF-8 and at most 16 MiB; else invalid_request, which names the byte offset. No method adds tokens in
// front or behind: the chat template writes the [gMASK]<sop> that a prompt starts with.
class Tokenizer {
 public:
  static constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;

  // Reads tokenizer.json of a model's folder (GLM-4.7-Flash: 20 MB, about half a second). Throws not_found, bad_file
  // (too large, malformed) or unsupported (not byte-level BPE); the message names the file.
  explicit Tokenizer(const std::filesystem::path& model_folder);

  // The same from the text of a tokenizer.json; `where` opens the messages.
  static Tokenizer from_json(std::string_view json, std::string_view where);

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // The largest id + 1; a model's logits may be wider.
  std::size_t vocab_size() const { return pieces_.size(); }

  // The id whose piece is exactly `text`; control tokens first, then a search through the vocabulary.
  std::optional<TokenId> token_id(std::string_view text) const;

  // The bytes the id stands for; an ordinary piece may be part of a character. Empty for an id that the vocabulary
  // leaves out, or that is beyond it (padding of the logits).
  std::string_view piece(TokenId id) const;
  bool contains(TokenId id) const;    // the vocabulary has this id
  bool is_control(TokenId id) const;  // an added token, special or not
  bool is_special(TokenId id) const;  // a control token with Hugging Face's `special` flag
  const ControlMatcher& controls() const { return controls_; }

  // Ordinary text: no control token ever results, whatever the text spells. For all text that a user or a tool wrote.
  std::vector<TokenId> encode_plain(std::string_view text) const;

  // Control tokens are recognised by their text, as tokenizers' encode(text, add_special_tokens=False) does. For raw
  // prompts of which the caller vouches for every byte.
  std::vector<TokenId> encode_raw(std::string_view text) const;

  // Asked for each stretch text[begin, end) between controls, in their order and also for those without text: tokens
  // to take for it, or nothing.
  using Spelling = std::function<std::optional<std::vector<TokenId>>(std::size_t begin, std::size_t end)>;

  // A rendered conversation: its controls become control tokens, the stretches between are encode_plain. Throws
  // invalid_request for a text that `context` tokens cannot hold, by far (16 bytes a token), before it is read.
  std::vector<TokenId> encode(const RenderedPrompt& prompt, std::size_t context = kAnyContext,
                              const Spelling& spelling = {}) const;
  static constexpr std::size_t kAnyContext = std::size_t{1} << 40;

  // The text of the ids; bytes that are not UTF-8 become U+FFFD. skip_special leaves out special tokens, as Hugging
  // Face does (<think> and the like are not special). Throws invalid_request for an id that is not in the vocabulary.
  std::string decode(std::span<const TokenId> ids, bool skip_special = false) const;

  const GtTokenizer* handle() const { return handle_.get(); }  // for src/grammar

 private:
  struct Free {
    void operator()(GtTokenizer* handle) const;
  };
  struct Piece {
    std::size_t begin = 0;
    std::size_t size = 0;
    unsigned char flags = 0;
  };

  Tokenizer() = default;
  void load_pieces(std::string_view where);
  std::vector<TokenId> encode_text(std::string_view text, bool recognise_controls, std::size_t offset) const;
  bool has_flag(TokenId id, int flag) const;

  std::unique_ptr<GtTokenizer, Free> handle_;
  std::string piece_bytes_;  // all pieces, one after another
  std::vector<Piece> pieces_;
  ControlMatcher controls_;
};

}  // namespace glimt

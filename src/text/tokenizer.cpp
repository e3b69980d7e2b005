#include "text/tokenizer.h"

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "text/detokenizer.h"
#include "text/rust_text.h"
#include "text/utf8.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kBytesAToken = 16;  // few tokens are longer, and no prompt is made of them

}  // namespace

void Tokenizer::Free::operator()(GtTokenizer* handle) const { gt_tokenizer_free(handle); }

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer::Tokenizer(const std::filesystem::path& model_folder) {
  const std::filesystem::path path = model_folder / "tokenizer.json";
  const std::string json = read_file(path, kMaxFileBytes);
  if (const auto kind = foreign_kind(json)) fail(ErrorKind::bad_file, path.string(), "is not JSON but {}", *kind);
  *this = from_json(json, path.string());
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view where) {
  Tokenizer tokenizer;
  if (const auto bad = find_invalid_utf8(json)) fail(ErrorKind::bad_file, where, "not valid UTF-8 at byte {}", *bad);
  GtTokenizer* handle = nullptr;
  GtBytes error{};
  rust_text::check(gt_tokenizer_new(json.data(), json.size(), &handle, &error), error, where);
  tokenizer.handle_.reset(handle);
  tokenizer.load_pieces(where);
  return tokenizer;
}

void Tokenizer::load_pieces(std::string_view where) {
  GtPieces pieces{};
  GtBytes error{};
  rust_text::check(gt_tokenizer_pieces(handle_.get(), &pieces, &error), error, where);
  piece_bytes_ = rust_text::take(pieces.bytes);
  const std::vector<std::uint32_t> ends = rust_text::take(pieces.ends);
  const std::string flags = rust_text::take(pieces.flags);

  std::vector<ControlToken> controls;
  pieces_.reserve(ends.size());
  std::size_t begin = 0;
  for (std::size_t id = 0; id < ends.size(); ++id) {
    pieces_.push_back({begin, ends[id] - begin, static_cast<unsigned char>(flags[id])});
    begin = ends[id];
    const auto token = static_cast<TokenId>(id);
    if (is_control(token)) controls.push_back({token, std::string(piece(token)), is_special(token)});
  }
  controls_ = ControlMatcher(std::move(controls));
}

bool Tokenizer::has_flag(TokenId id, int flag) const {
  return id >= 0 && static_cast<std::size_t>(id) < pieces_.size() &&
         (pieces_[static_cast<std::size_t>(id)].flags & flag) != 0;
}

bool Tokenizer::contains(TokenId id) const { return has_flag(id, GT_PIECE_EXISTS); }
bool Tokenizer::is_control(TokenId id) const { return has_flag(id, GT_PIECE_ADDED); }
bool Tokenizer::is_special(TokenId id) const { return has_flag(id, GT_PIECE_SPECIAL); }

std::string_view Tokenizer::piece(TokenId id) const {
  if (!contains(id)) return {};
  const Piece& piece = pieces_[static_cast<std::size_t>(id)];
  return std::string_view(piece_bytes_).substr(piece.begin, piece.size);
}

std::optional<TokenId> Tokenizer::token_id(std::string_view text) const {
  for (const ControlToken& token : controls_.tokens()) {
    if (token.text == text) return token.id;
  }
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (contains(token) && piece(token) == text) return token;
  }
  return std::nullopt;
}

std::vector<TokenId> Tokenizer::encode_text(std::string_view text, bool recognise_controls, std::size_t offset) const {
  if (const auto bad = find_invalid_utf8(text)) {
    fail(ErrorKind::invalid_request, "text", "not valid UTF-8 at byte {}", offset + *bad);
  }
  GtIds ids{};
  GtBytes error{};
  rust_text::check(
      gt_tokenizer_encode(handle_.get(), text.data(), text.size(), recognise_controls ? 1 : 0, &ids, &error), error,
      "text");
  std::vector<TokenId> tokens(ids.data, ids.data + ids.size);
  gt_ids_free(ids);
  return tokens;
}

std::vector<TokenId> Tokenizer::encode_plain(std::string_view text) const { return encode_text(text, false, 0); }

std::vector<TokenId> Tokenizer::encode_raw(std::string_view text) const { return encode_text(text, true, 0); }

std::vector<TokenId> Tokenizer::encode(const RenderedPrompt& prompt, std::size_t context,
                                       const Spelling& spelling) const {
  const std::string_view text = prompt.text;
  if (text.size() / kBytesAToken > context) {
    fail(ErrorKind::invalid_request, "prompt", "{} bytes are far more than a context of {} tokens holds", text.size(),
         context);
  }
  std::vector<TokenId> tokens;
  std::size_t done = 0;
  const auto append_literal = [&](std::size_t end) {
    std::optional<std::vector<TokenId>> literal;
    if (spelling) literal = spelling(done, end);
    if (!literal && end == done) return;
    if (!literal) literal = encode_text(text.substr(done, end - done), false, done);
    tokens.insert(tokens.end(), literal->begin(), literal->end());
  };
  for (const ControlSpan& control : prompt.controls) {
    append_literal(control.begin);
    tokens.push_back(control.id);
    done = control.end;
  }
  append_literal(text.size());
  return tokens;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  Detokenizer detokenizer(*this, skip_special ? ControlText::hide_special : ControlText::show);
  std::string text;
  for (const TokenId id : ids) {
    if (!contains(id)) fail(ErrorKind::invalid_request, "tokens", "id {} is not in the vocabulary", id);
    text += detokenizer.push(id);
  }
  return text + detokenizer.finish();
}

}  // namespace glimt

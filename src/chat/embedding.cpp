#include "chat/embedding.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>

namespace glimt {
namespace {

constexpr std::size_t kBytesAToken = 16;  // few tokens are longer, and no text is made of them

bool is_inside_of_a_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

std::string_view beginning(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && is_inside_of_a_character(text[bytes])) --bytes;
  return text.substr(0, bytes);
}

}  // namespace

std::vector<TokenId> embedding_prompt(const ChatResources& resources, std::string_view text, bool truncate,
                                      std::size_t most) {
  const bool is_far_too_long = text.size() / kBytesAToken > most;
  if (is_far_too_long && !truncate) {
    fail(ErrorKind::invalid_request, "input", "{} bytes are far more than a context of {} tokens holds", text.size(),
         most);
  }
  std::vector<TokenId> tokens =
      resources.tokenizer.encode_plain(is_far_too_long ? beginning(text, most * kBytesAToken) : text);
  if (truncate && tokens.size() > most) tokens.resize(most);
  return tokens;
}

GenerationRequest embedding_request(const ChatResources& resources, std::string_view text, bool truncate,
                                    std::size_t context) {
  const std::size_t most = context > 0 ? std::min(context, resources.context) : resources.context;
  GenerationRequest request;
  request.embed = true;
  request.prompt = embedding_prompt(resources, text, truncate, most);
  if (request.prompt.empty()) fail(ErrorKind::invalid_request, "input", "a text is wanted, got an empty one");
  if (request.prompt.size() > most) {
    fail(ErrorKind::invalid_request, "input", "is {} tokens long, the context holds {}", request.prompt.size(), most);
  }
  return request;
}

std::vector<float> shortened(std::vector<float> vector, std::size_t dimensions) {
  if (dimensions == 0 || dimensions > vector.size()) {
    fail(ErrorKind::invalid_request, "dimensions", "must be between 1 and {}, got {}", vector.size(), dimensions);
  }
  vector.resize(dimensions);
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * static_cast<double>(value);
  if (square == 0) fail(ErrorKind::invalid_request, "dimensions", "the first {} numbers are all 0", dimensions);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
  return vector;
}

}  // namespace glimt

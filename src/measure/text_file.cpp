#include "measure/text_file.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/messages.h"
#include "text/chat_template.h"

#include <algorithm>
#include <string_view>

namespace glimt {
namespace {

constexpr std::size_t kMostText = std::size_t{16} << 20;            // what a Tokenizer takes
constexpr std::size_t kMostConversations = std::size_t{256} << 20;  // read line by line

json::object template_request(std::string_view line, const std::string& where) {
  const json::value request = parse_json(line, where);
  if (!request.is_object()) fail(ErrorKind::invalid_request, where, "must be a JSON object with messages");
  const JsonFields fields(request.get_object(), where, ErrorKind::invalid_request);
  if (fields.array("messages").empty()) fail(ErrorKind::invalid_request, where, "field 'messages' is empty");
  json::object out{{"messages", normalized_messages(fields.array("messages"), where)},
                   {"add_generation_prompt", false}};
  if (fields.has("tools")) out["tools"] = normalized_tools(fields.array("tools"), where);
  if (fields.has("chat_template_kwargs")) {
    for (const auto& [name, value] : fields.object("chat_template_kwargs")) out[name] = value;
  }
  return out;
}

std::vector<TokenId> conversation_tokens(std::string_view text, const std::string& file,
                                         const std::filesystem::path& folder, const Tokenizer& tokenizer) {
  const ChatTemplate chat_template(folder, tokenizer);
  std::vector<TokenId> tokens;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    if (trimmed(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", file, number);
    try {
      const std::vector<TokenId> more = tokenizer.encode(chat_template.render(template_request(line, where)));
      tokens.insert(tokens.end(), more.begin(), more.end());
    } catch (const Error& error) {
      const bool named = std::string_view(error.what()).starts_with(where);
      throw Error(ErrorKind::invalid_request, named ? error.what() : fmt::format("{}: {}", where, error.what()));
    }
  }
  return tokens;
}

}  // namespace

std::vector<TokenId> read_text_tokens(const std::filesystem::path& file, const std::filesystem::path& folder,
                                      const Tokenizer& tokenizer, TextForm form) {
  const bool conversations = file.extension() == ".jsonl";
  const std::string text = read_file(file, conversations ? kMostConversations : kMostText);
  if (conversations) return conversation_tokens(text, file.string(), folder, tokenizer);
  try {
    return form == TextForm::raw ? tokenizer.encode_raw(text) : tokenizer.encode_plain(text);
  } catch (const Error& error) {
    fail(error.kind(), file.string(), "{}", error.what());
  }
}

void check_same_vocabulary(const std::filesystem::path& reference, const Tokenizer& tokenizer,
                           const std::filesystem::path& other) {
  constexpr const char* kFile = "tokenizer.json";
  if (read_file(reference / kFile, Tokenizer::kMaxFileBytes) == read_file(other / kFile, Tokenizer::kMaxFileBytes)) {
    return;
  }
  const Tokenizer others(other);
  const std::size_t most = std::max(tokenizer.vocab_size(), others.vocab_size());
  for (std::size_t i = 0; i < most; ++i) {
    const auto id = static_cast<TokenId>(i);
    if (tokenizer.piece(id) == others.piece(id) && tokenizer.is_control(id) == others.is_control(id)) continue;
    fail(ErrorKind::invalid_request, other.string(),
         "its tokenizer is another than that of {}: token {} is {} here and {} there", reference.string(), id,
         json::serialize(json::string_view(others.piece(id).data(), others.piece(id).size())),
         json::serialize(json::string_view(tokenizer.piece(id).data(), tokenizer.piece(id).size())));
  }
}

}  // namespace glimt

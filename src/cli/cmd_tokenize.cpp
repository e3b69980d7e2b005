// glimt tokenize: text to token ids and back.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "hub/store.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

struct TokenizeArguments {
  std::string model;
  std::optional<std::string> text;
  bool raw = false;
  bool decode = false;
  bool show = false;
};

// Ids as a JSON array, which is what `glimt tokenize` prints, or as plain numbers between white space or commas.
std::vector<TokenId> read_ids(std::string_view text) {
  std::string list(text);
  for (char& c : list) c = c == '[' || c == ']' || c == ',' ? ' ' : c;
  std::vector<TokenId> ids;
  for (std::size_t at = list.find_first_not_of(" \t\r\n"); at < list.size();
       at = list.find_first_not_of(" \t\r\n", at)) {
    const std::size_t end = std::min(list.find_first_of(" \t\r\n", at), list.size());
    const std::string word = list.substr(at, end - at);
    TokenId id = 0;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || rest != word.data() + word.size()) {
      fail(ErrorKind::invalid_request, "ids", "'{}' is not a token id", word);
    }
    ids.push_back(id);
    at = end;
  }
  return ids;
}

// One line an id: the number, and its piece as a JSON string. Bytes that are not a whole character show as \xNN.
void show(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  for (const TokenId id : ids) {
    if (!tokenizer.contains(id)) fail(ErrorKind::invalid_request, "ids", "id {} is not in the vocabulary", id);
    const std::string_view piece = tokenizer.piece(id);
    std::string shown;
    if (find_invalid_utf8(piece)) {
      shown = "\"";
      for (const char byte : piece) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
      shown += '"';
    } else {
      shown = json::serialize(json::string_view(piece.data(), piece.size()));
    }
    fmt::print("{:>6} {}{}\n", id, shown, tokenizer.is_control(id) ? " control" : "");
  }
}

void run(const TokenizeArguments& arguments) {
  const Tokenizer tokenizer(resolve_model(arguments.model));
  const std::string text = arguments.text ? *arguments.text : read_stdin();
  const std::vector<TokenId> ids = arguments.decode ? read_ids(text)
                                   : arguments.raw  ? tokenizer.encode_raw(text)
                                                    : tokenizer.encode_plain(text);
  if (arguments.show) {
    show(tokenizer, ids);
  } else if (arguments.decode) {
    fmt::print("{}", tokenizer.decode(ids));
  } else {
    fmt::print("[{}]\n", fmt::join(ids, ", "));
  }
}

}  // namespace

void add_tokenize_command(CLI::App& app) {
  auto arguments = std::make_shared<TokenizeArguments>();
  CLI::App* command = app.add_subcommand("tokenize", "Turn text into token ids, or ids into text");
  command->add_option("model", arguments->model, "Folder or name of a model")->required()->type_name("MODEL");
  command->add_option("text", arguments->text, "The text (with --decode: the ids); stdin if it is left out")
      ->type_name("TEXT");
  CLI::Option* raw = command->add_flag("--raw", arguments->raw,
                                       "Recognise control tokens such as <|user|>; without it all text is literal");
  command->add_flag("--decode", arguments->decode, "From ids (a JSON array or plain numbers) to text")->excludes(raw);
  command->add_flag("--show", arguments->show, "One line a token: id and piece");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace glimt

#include "cli/gguf_source.h"

#include "base/error.h"
#include "checkpoint/config.h"
#include "hub/store.h"
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <system_error>

namespace glimt {
namespace {

std::filesystem::path tokenizer_folder(const std::string& name_or_folder) {
  std::error_code ignored;
  return std::filesystem::is_directory(name_or_folder, ignored) ? std::filesystem::path(name_or_folder)
                                                                : resolve_model(name_or_folder);
}

}  // namespace

GgufSource open_gguf_source(const std::filesystem::path& file, const std::string& tokenizer) {
  GgufSource source{std::make_shared<const GgufModel>(file), {}};
  if (tokenizer.empty()) {
    fail(ErrorKind::invalid_request, file.string(),
         "is GGUF, from which tokenizer.json cannot be made again: --tokenizer wants a folder that has it, e.g. of the "
         "original model");
  }
  source.tokenizer = tokenizer_folder(tokenizer);
  const std::size_t tokens = Tokenizer(source.tokenizer).vocab_size();
  const Config config = Config::from_json(source.model->config(), file.string());
  if (tokens > static_cast<std::size_t>(config.vocab_size)) {
    fail(ErrorKind::invalid_request, source.tokenizer.string(), "its tokenizer has {} tokens, {} has {}", tokens,
         file.string(), config.vocab_size);
  }
  return source;
}

void print_gguf_uses(const std::vector<convert::GgufUse>& uses) {
  for (const convert::GgufUse& use : uses) {
    const bool floats = use.becomes == "floats";
    fmt::print("  {:<7} {:>4} {}: {}{}\n", use.type, use.matrices, use.matrices == 1 ? "matrix" : "matrices",
               use.becomes, use.carried ? (floats ? "" : ", code for code") : (floats ? "" : ", requantized"));
  }
}

}  // namespace glimt

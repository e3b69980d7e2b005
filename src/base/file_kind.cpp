#include "base/file_kind.h"

#include <algorithm>
#include <array>

namespace glimt {
namespace {

struct Magic {
  std::string_view bytes;
  std::string_view kind;
};
constexpr std::array<Magic, 9> kMagics = {{
    {"version https://git-lfs.github.com/spec/",
     "a Git LFS pointer, a note in place of the file: run `git lfs pull` in its folder, or download the file itself"},
    {"GGUF",
     "GGUF, llama.cpp's format; glimt runs .safetensors: get the model in that form, or make it with "
     "`glimt convert FILE DST --tokenizer FOLDER`"},
    {"PK\x03\x04", "a zip archive (of PyTorch?); glimt reads .safetensors: get the model in that form"},
    {"\x80\x02", "a Python pickle (of PyTorch?); glimt reads .safetensors: get the model in that form"},
    {"\x93NUMPY", "a NumPy array"},
    {"\x89HDF", "HDF5, Keras' format"},
    {"\x1f\x8b", "compressed by gzip"},
    {"\x28\xb5\x2f\xfd", "compressed by zstd"},
    {"Entry not found", "a server's answer, not the file: download it again"},
}};

bool is_web_page(std::string_view content) {
  const std::size_t start = content.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return false;
  std::string beginning(content.substr(start, 9));
  std::transform(beginning.begin(), beginning.end(), beginning.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return beginning == "<!doctype" || beginning.starts_with("<html");
}

}  // namespace

std::optional<std::string> foreign_kind(std::string_view content) {
  if (content.empty()) return "empty (0 bytes; an interrupted download?)";
  for (const Magic& magic : kMagics) {
    if (content.starts_with(magic.bytes)) return std::string(magic.kind);
  }
  if (is_web_page(content)) return "a web page (of an error or a login?), not the file: download it again";
  return std::nullopt;
}

}  // namespace glimt

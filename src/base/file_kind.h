// What a file is that turned out not to be what its name says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// "a Git LFS pointer …", "GGUF …", "empty …": the kind that the content's first bytes show, with what to do about it,
// to stand behind "is ". nullopt for anything else.
std::optional<std::string> foreign_kind(std::string_view content);

}  // namespace glimt

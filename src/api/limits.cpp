#include "api/limits.h"

#include "api/fields.h"

namespace glimt {

void check_count(std::string_view path, std::size_t count, std::size_t most) {
  if (count > most) refuse(std::string(path), fmt::format("must have at most {} entries, got {}", most, count));
}

}  // namespace glimt

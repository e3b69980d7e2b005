#include "text/rust_text.h"

#include "base/error.h"

namespace glimt::rust_text {
namespace {

ErrorKind kind_of(GtStatus status) {
  switch (status) {
    case GT_INVALID_INPUT: return ErrorKind::invalid_request;
    case GT_BAD_FILE: return ErrorKind::bad_file;
    case GT_UNSUPPORTED: return ErrorKind::unsupported;
    case GT_OK:
    case GT_INTERNAL: break;
  }
  return ErrorKind::internal;
}

}  // namespace

std::string take(GtBytes bytes) {
  std::string copy(bytes.data, bytes.data + bytes.size);
  gt_bytes_free(bytes);
  return copy;
}

std::vector<std::uint32_t> take(GtIds ids) {
  std::vector<std::uint32_t> copy(ids.data, ids.data + ids.size);
  gt_ids_free(ids);
  return copy;
}

void check(GtStatus status, GtBytes error, std::string_view where) {
  if (status != GT_OK) fail(kind_of(status), where, "{}", take(error));
}

}  // namespace glimt::rust_text

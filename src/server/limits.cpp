#include "server/limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace glimt {
namespace {

constexpr LimitRow kRows[] = {
    {"header_bytes", &ServerLimits::header_bytes, 431, "bytes of the request's line and header"},
    {"header_fields", &ServerLimits::header_fields, 431, "fields of the header"},
    {"body_bytes", &ServerLimits::body_bytes, 413, "bytes of the body"},
    {"all_bodies_bytes", &ServerLimits::all_bodies_bytes, 503, "bytes of the bodies of all requests at work"},
    {"connections", &ServerLimits::connections, 503, "connections"},
    {"queued_jobs", &ServerLimits::queued_jobs, 503, "requests that wait to be read"},
    {"unsent_bytes", &ServerLimits::unsent_bytes, 503, "bytes of an answer that its client has not read"},
    {"pulls", &ServerLimits::pulls, 503, "models that are pulled at once"},
};

}  // namespace

std::span<const LimitRow> limit_rows() { return kRows; }

Problem over_limit(const ServerLimits& limits, std::string_view name) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const LimitRow& r) { return r.name == name; });
  if (row == std::end(kRows)) fail(ErrorKind::internal, "limits", "there is no limit '{}'", name);
  Problem problem;
  problem.status = row->status;
  problem.message = fmt::format("limit {}: at most {} {}", row->name, limits.*row->value, row->what);
  if (row->status == 503) problem.retry_after = 1;
  return problem;
}

}  // namespace glimt

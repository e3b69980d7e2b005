#include "server/access_log.h"

#include "base/json.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace glimt {
namespace {

constexpr std::size_t kMostLines = 8192;  // that wait to be written
constexpr std::size_t kMostPathBytes = 256;

// What a client chose must not end the line or move a terminal's cursor.
std::string harmless(std::string_view text) {
  std::string result(text.substr(0, kMostPathBytes));
  for (char& c : result) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') c = '?';
  }
  return result.empty() ? "-" : result;
}

}  // namespace

std::string log_line(const AccessRecord& r) {
  std::string line = fmt::format("{} {} {} {} {} {:.3f}s {}B", r.request_id, harmless(r.client), harmless(r.method),
                                 harmless(r.path), r.status, r.seconds, r.bytes);
  if (!r.model.empty()) line += fmt::format(" model={}", harmless(r.model));
  if (!r.key.empty()) line += fmt::format(" key={}", harmless(r.key));
  if (r.prompt_tokens > 0) {
    line += fmt::format(" prompt={} reused={} generated={} first={:.3f}s", r.prompt_tokens, r.reused_tokens,
                        r.generated_tokens, r.first_token_seconds);
  }
  if (!r.note.empty()) line += fmt::format(" ({})", r.note);
  return line;
}

std::string log_json(const AccessRecord& r) {
  json::object object{{"request_id", r.request_id},
                      {"client", harmless(r.client)},
                      {"method", harmless(r.method)},
                      {"path", harmless(r.path)},
                      {"status", r.status},
                      {"seconds", r.seconds},
                      {"bytes", r.bytes}};
  if (!r.model.empty()) object["model"] = harmless(r.model);
  if (!r.key.empty()) object["key"] = harmless(r.key);
  if (r.prompt_tokens > 0) {
    object["prompt_tokens"] = r.prompt_tokens;
    object["reused_tokens"] = r.reused_tokens;
    object["generated_tokens"] = r.generated_tokens;
    object["first_token_seconds"] = r.first_token_seconds;
  }
  if (!r.note.empty()) object["note"] = r.note;
  return dump_json(object);
}

struct AccessLog::Sink {
  std::shared_ptr<spdlog::details::thread_pool> thread = std::make_shared<spdlog::details::thread_pool>(kMostLines, 1);
  std::shared_ptr<spdlog::async_logger> logger =
      std::make_shared<spdlog::async_logger>("glimt", std::make_shared<spdlog::sinks::stderr_sink_mt>(), thread,
                                             spdlog::async_overflow_policy::overrun_oldest);
};

AccessLog::AccessLog(Form form) : form_(form), sink_(std::make_unique<Sink>()) {
  sink_->logger->set_pattern(form == Form::json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc);
  sink_->logger->flush_on(spdlog::level::info);
}

AccessLog::~AccessLog() = default;

void AccessLog::write(const AccessRecord& record) {
  if (form_ == Form::none) return;
  sink_->logger->info("{}", form_ == Form::json ? log_json(record) : log_line(record));
}

void AccessLog::say(std::string_view message) {
  if (form_ == Form::none) return;
  sink_->logger->info("{}", form_ == Form::json ? dump_json(json::object{{"message", message}}) : std::string(message));
}

}  // namespace glimt

#include "api/answer_details.h"

#include "api/wire.h"

#include <string_view>

namespace glimt {
namespace {

std::string_view word(const AnswerSummary& summary) {
  switch (summary.end) {
    case AnswerEnd::end_token: return "end_token";
    case AnswerEnd::stop_string: return "stop_string";
    case AnswerEnd::one_call: return "one_call";
    case AnswerEnd::length: return summary.context_full ? "context" : "length";
    case AnswerEnd::repetition: return "repetition";
    case AnswerEnd::cancelled: return "cancelled";
  }
  return "";
}

}  // namespace

json::object answer_details(const AnswerHead& head, const AnswerSummary& summary) {
  json::object details{{"end", word(summary)},
                       {"stop_string", nullptr},
                       {"prompt_tokens", summary.prompt_tokens},
                       {"reused_tokens", summary.reused_tokens},
                       {"generated_tokens", summary.generated_tokens},
                       {"thinking_tokens", summary.thinking_tokens},
                       {"drafted", summary.drafted},
                       {"accepted", summary.accepted},
                       {"context", summary.context},
                       {"load_seconds", head.load_seconds},
                       {"queue_seconds", summary.queue_seconds},
                       {"prefill_seconds", summary.prefill_seconds},
                       {"decode_seconds", summary.decode_seconds},
                       {"total_seconds", summary.total_seconds}};
  if (summary.end == AnswerEnd::stop_string) details["stop_string"] = valid_utf8(summary.stop_string);
  if (!summary.before_cut.empty()) {
    details["cut"] =
        json::object{{"before", valid_utf8(summary.before_cut)}, {"after", valid_utf8(summary.behind_cut)}};
  }
  return details;
}

json::object progress_details(const AnswerProgress& progress) {
  switch (progress.phase) {
    case AnswerProgress::Phase::loading: return {{"loading", progress.loaded}};
    case AnswerProgress::Phase::queued: return {{"queued", progress.place}};
    case AnswerProgress::Phase::prefill: break;
  }
  return {{"prefill", {{"done", progress.done}, {"total", progress.total}}}};
}

void add_token_details(json::array& items, const std::vector<ContentToken>& tokens) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    items[i].as_object()["id"] = tokens[i].id;
    if (tokens[i].guessed) items[i].as_object()["guessed"] = true;
  }
}

}  // namespace glimt

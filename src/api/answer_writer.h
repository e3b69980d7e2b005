// From the events of an answer to what goes over the wire: the interface of all dialects, streamed and whole.
#pragma once

#include "api/problem.h"
#include "base/token.h"
#include "chat/types.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// What is known of an answer before it begins.
struct AnswerHead {
  std::string request_id;                               // also the response's header
  std::string id;                                       // of the answer, where it has been told; else it gets one
  std::string model;                                    // as it was asked for
  std::int64_t created = 0;                             // seconds since 1970
  std::string fingerprint;                              // of weights and program: same seed, same text
  std::size_t prompt_tokens = 0;                        // of all prompts together
  std::size_t max_tokens = 0;                           // of an answer, as it is in force
  double load_seconds = 0;                              // that this request waited for its model
  std::function<std::string(std::string_view)> new_id;  // new_id("call_") is "call_" and 24 letters and digits
  std::function<std::string()> now;                     // RFC 3339 with nanoseconds, UTC
};

// Where an answer is before its first token.
struct AnswerProgress {
  enum class Phase : std::uint8_t { loading, queued, prefill };

  Phase phase = Phase::queued;
  double loaded = 0;      // loading: the part of the model that is in memory
  std::size_t place = 0;  // queued: 1 is next
  std::size_t done = 0;   // prefill: tokens of the prompt whose rows are there
  std::size_t total = 0;

  bool operator==(const AnswerProgress&) const = default;
};

// A token of the visible content with its probability; only where the request asked for it.
struct ContentToken {
  std::string bytes;  // all of them joined are the content; one may be a part of a character
  float logprob = 0;
  struct Alternative {
    std::string bytes;
    float logprob = 0;
  };
  std::vector<Alternative> top;
  TokenId id = 0;
  bool guessed = false;  // ahead, by the MTP layer or by look-up, before the model chose it
};

struct AnswerPart {
  OutputEvent event;
  std::vector<ContentToken> tokens = {};  // of a ContentDelta
};

// The end of one answer.
struct AnswerSummary {
  AnswerEnd end = AnswerEnd::end_token;
  bool context_full = false;  // AnswerEnd::length, and not because of max_tokens
  std::string stop_string;    // AnswerEnd::stop_string
  bool call_cut = false;
  std::size_t prompt_tokens = 0;
  std::size_t reused_tokens = 0;     // of the prompt, found in the cache
  std::size_t generated_tokens = 0;  // the thinking's and an end token included
  std::size_t thinking_tokens = 0;
  double prefill_seconds = 0;
  double decode_seconds = 0;
  double total_seconds = 0;  // since the request came

  // For those who look inside.
  std::size_t drafted = 0, accepted = 0;  // tokens that were guessed ahead, and those that the model then chose
  std::size_t context = 0;                // most tokens of prompt and answer
  double queue_seconds = 0;
  std::string before_cut, behind_cut;  // the prompt's text around the end of what the cache held; empty: it held none
};

// One response. Every method returns the bytes that go out now, complete events or lines, perhaps none; a whole
// (not streamed) answer returns all of them in finish(). Everything returned is valid UTF-8, whatever the model wrote.
// Order: start, then part and end for each choice in any mix, then finish; fail() in place of what is left, at most once.
// Not thread-safe.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  virtual std::string_view content_type() const = 0;  // "text/event-stream", "application/x-ndjson", "application/json"
  virtual std::string start() = 0;                    // before the prompt is computed
  virtual std::string part(std::size_t choice, const AnswerPart& part) = 0;
  virtual std::string end(std::size_t choice, const AnswerSummary& summary) = 0;
  virtual std::string finish() = 0;

  // What may be sent while nothing happens, so that no client takes silence for death.
  virtual std::string keep_alive() = 0;

  // What is sent of it where the request asked to be told (ApiRequest::tells_progress), also before start().
  virtual std::string progress(const AnswerProgress& /*progress*/) { return {}; }

  // Ends a response whose status 200 is gone already; after it comes nothing. A whole answer has not sent anything, so
  // whoever drives it sends a real error instead and does not call this.
  virtual std::string fail(const Problem& problem) = 0;
};

}  // namespace glimt

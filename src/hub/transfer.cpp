#include "hub/transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <thread>

namespace glimt {
namespace {

using namespace std::chrono_literals;

constexpr int kMostHops = 8;
constexpr int kMostTries = 6;
constexpr int kMostDoublings = 3;
constexpr auto kLongestWait = 10min;
constexpr std::size_t kMostAnswerBytes = std::size_t{64} << 20;
constexpr std::size_t kMostRedirectBytes = std::size_t{1} << 20;

// The number behind "t=" in `"resolvers";r=0;t=55`, if none is left (r=0).
std::optional<long> rate_limit_seconds(const std::string& header) {
  if (header.find(";r=0") == std::string::npos) return std::nullopt;
  const std::size_t at = header.find(";t=");
  long seconds = 0;
  if (at == std::string::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(header.data() + at + 3, header.data() + header.size(), seconds);
  return error == std::errc() && end != header.data() + at + 3 ? std::optional(seconds + 1) : std::nullopt;
}

std::optional<long> retry_after_seconds(const std::string& header, std::chrono::system_clock::time_point now) {
  if (header.empty()) return std::nullopt;
  long seconds = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), seconds);
  if (error == std::errc() && end == header.data() + header.size()) return seconds;
  const std::time_t date = curl_getdate(header.c_str(), nullptr);
  return date < 0 ? std::nullopt : std::optional(date - std::chrono::system_clock::to_time_t(now) + 1);
}

// The commit that the address of a file on a hub names, …/resolve/COMMIT/…, is the one that an answer has to be of. That
// the repository goes on is no reason for another.
void check_commit(const std::string& url, const HttpHead& head) {
  constexpr std::string_view kResolve = "/resolve/";
  const std::string got = head.header("x-repo-commit");
  const std::size_t at = url.find(kResolve);
  if (got.empty() || at == std::string::npos || url.compare(at + kResolve.size(), got.size(), got) == 0) return;
  fail(ErrorKind::bad_file, url, "the hub answers with commit {}", got.substr(0, 64));
}

}  // namespace

void Patience::wait(const std::atomic<bool>& cancelled) const {
  while (left() > 0s) {
    if (cancelled) throw Error(ErrorKind::cancelled, "interrupted");
    std::this_thread::sleep_for(std::min<Clock::duration>(left(), 50ms));
  }
  if (cancelled) throw Error(ErrorKind::cancelled, "interrupted");
}

void Patience::hold_off(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  next_ = std::max(next_, Clock::now() + time);
}

Patience::Clock::duration Patience::left() const {
  const std::lock_guard lock(mutex_);
  return next_ - Clock::now();
}

std::chrono::milliseconds wait_asked_for(const HttpHead& head, std::chrono::system_clock::time_point now) {
  std::optional<long> seconds = retry_after_seconds(head.header("retry-after"), now);
  if (!seconds && head.status == 429) seconds = rate_limit_seconds(head.header("ratelimit"));
  if (!seconds || *seconds <= 0) return 0ms;
  if (*seconds > std::chrono::seconds(kLongestWait).count()) {
    fail(ErrorKind::overloaded, "the hub", "wants {} s without a request; try again then, or log in with HF_TOKEN",
         *seconds);
  }
  return std::chrono::seconds(*seconds);
}

bool is_temporary(int status) {
  return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

bool Tries::again(std::chrono::milliseconds asked, const std::atomic<bool>& cancelled) {
  if (++failed_ >= kMostTries) return false;
  if (asked > 0ms) {
    patience_.hold_off(asked);
  } else {
    const auto until = Patience::Clock::now() + settings_.backoff * (1 << std::min(failed_ - 1, kMostDoublings));
    while (Patience::Clock::now() < until && !cancelled) {
      std::this_thread::sleep_for(std::min<Patience::Clock::duration>(until - Patience::Clock::now(), 50ms));
    }
  }
  patience_.wait(cancelled);
  return true;
}

std::string Transfer::next_hop(const std::string& url, const HttpHead& head) const {
  const std::string location = head.header("location");
  if (location.empty()) fail(ErrorKind::bad_file, url, "redirects without saying where");
  std::string next = resolve_url(url, location);
  if (url.starts_with("https:") && !next.starts_with("https:")) {
    fail(ErrorKind::bad_file, origin_of(url), "redirects from https to {}, which is not followed", origin_of(next));
  }
  return next;
}

HttpHead Transfer::get(std::string& url, const std::optional<std::pair<std::uint64_t, std::uint64_t>>& range,
                       const HttpConnection::Body& body) {
  for (int hop = 0; hop <= kMostHops; ++hop) {
    patience_.wait(cancelled_);
    std::size_t ignored = 0;
    const std::string token = origin_of(url) == repository_.origin() ? repository_.token() : "";
    const HttpHead head = connection_.get({.url = url, .token = token, .range = range},
                                          [&](const HttpHead& answer, std::span<const std::byte> bytes) {
                                            check_commit(url, answer);
                                            if (!answer.is_redirect()) return body(answer, bytes);
                                            ignored += bytes.size();
                                            if (ignored > kMostRedirectBytes)
                                              throw NetworkError("a redirect without end");
                                          });
    check_commit(url, head);
    if (!head.is_redirect()) return head;
    url = next_hop(url, head);
  }
  fail(ErrorKind::bad_file, origin_of(url), "more than {} redirects", kMostHops);
}

HttpHead Transfer::fetch(const std::string& url, std::string& content) {
  Tries tries(settings_, patience_);
  while (true) {
    std::chrono::milliseconds asked{0};
    try {
      std::string at = url;
      content.clear();
      HttpHead head = get(at, std::nullopt, [&](const HttpHead&, std::span<const std::byte> bytes) {
        if (content.size() + bytes.size() > kMostAnswerBytes) {
          fail(ErrorKind::bad_file, origin_of(url), "answers with more than {} bytes", kMostAnswerBytes);
        }
        content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      });
      if (!is_temporary(head.status)) return head;
      asked = wait_asked_for(head, std::chrono::system_clock::now());
      if (!tries.again(asked, cancelled_)) return head;
    } catch (const NetworkError&) {
      if (!tries.again(asked, cancelled_)) throw;
    }
  }
}

}  // namespace glimt

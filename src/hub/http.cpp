#include "hub/http.h"

#include "base/text.h"
#include "hub/environment.h"

#include <curl/curl.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <mutex>

namespace glimt {
namespace {

constexpr long kReadBuffer = 512L << 10;

// Programs on Linux keep the certificates that they trust in different places, and ours may run on all of them.
std::string certificates() {
  for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (auto file = from_environment(variable)) return *file;
  }
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"}) {
    std::error_code ignored;
    if (std::filesystem::exists(file, ignored)) return file;
  }
  return "";
}

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

class UrlHandle {
 public:
  UrlHandle() : url_(curl_url()) {}
  ~UrlHandle() { curl_url_cleanup(url_); }
  UrlHandle(const UrlHandle&) = delete;
  UrlHandle& operator=(const UrlHandle&) = delete;

  // A relative `text` is taken relative to what was set before.
  void set(const std::string& text) {
    if (curl_url_set(url_, CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
      fail(ErrorKind::invalid_request, "URL", "'{}' is none", text.substr(0, 300));
    }
    const std::string scheme = part(CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") {
      fail(ErrorKind::invalid_request, "URL", "'{}' must begin with https:// or http://", text.substr(0, 300));
    }
    if (!part(CURLUPART_USER).empty()) {
      fail(ErrorKind::invalid_request, "URL", "of host {} has a user in it", part(CURLUPART_HOST));
    }
  }
  void set(CURLUPart which, const std::string& text) { curl_url_set(url_, which, text.c_str(), 0); }

  std::string part(CURLUPart which) const {
    char* text = nullptr;
    if (curl_url_get(url_, which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK || text == nullptr) return "";
    std::string result(text);
    curl_free(text);
    return result;
  }
  std::string whole() const {
    char* text = nullptr;
    if (curl_url_get(url_, CURLUPART_URL, &text, 0) != CURLUE_OK || text == nullptr) return "";
    std::string result(text);
    curl_free(text);
    return result;
  }

 private:
  CURLU* url_;
};

}  // namespace

struct HttpConnection::State {
  CURL* curl = nullptr;
  const std::atomic<bool>* cancelled = nullptr;
  char message[CURL_ERROR_SIZE] = {};

  // Of the request that runs.
  HttpHead head;
  const Body* body = nullptr;
  std::exception_ptr thrown;

  void set_up(const HttpLimits& limits);
  void perform(const HttpGet& request);
};

namespace {

std::size_t on_header(char* text, std::size_t, std::size_t size, void* user) {
  auto& head = static_cast<HttpConnection::State*>(user)->head;
  const std::string_view line(text, size);
  if (line.starts_with("HTTP/")) {  // also of an answer that comes before the final one, as 100 Continue does
    head.headers.clear();
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    head.headers[lower(line.substr(0, colon))] = std::string(trimmed(line.substr(colon + 1)));
  }
  return size;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* user) {
  auto& state = *static_cast<HttpConnection::State*>(user);
  try {
    long status = 0;
    curl_easy_getinfo(state.curl, CURLINFO_RESPONSE_CODE, &status);
    state.head.status = static_cast<int>(status);
    (*state.body)(state.head, {reinterpret_cast<const std::byte*>(bytes), size});
    return size;
  } catch (...) {
    state.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<HttpConnection::State*>(user)->cancelled->load() ? 1 : 0;
}

}  // namespace

std::string HttpHead::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool HttpHead::is_redirect() const {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void HttpConnection::State::set_up(const HttpLimits& limits) {
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                   CURL_HTTP_VERSION_1_1);  // ranges in parallel want connections, not streams
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "glimt");
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kReadBuffer);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(limits.connect.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(limits.silence.count()));
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  if (const std::string file = certificates(); !file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, file.c_str());
}

HttpConnection::HttpConnection(HttpLimits limits, const std::atomic<bool>& cancelled)
    : state_(std::make_unique<State>()) {
  start_curl();
  state_->curl = curl_easy_init();
  if (state_->curl == nullptr) fail(ErrorKind::internal, "libcurl", "cannot be started");
  state_->cancelled = &cancelled;
  state_->set_up(limits);
}

HttpConnection::~HttpConnection() { curl_easy_cleanup(state_->curl); }

void HttpConnection::State::perform(const HttpGet& request) {
  // A range is of the stored bytes, and so are lengths and hashes: nothing may be compressed on the way.
  curl_slist* headers = curl_slist_append(nullptr, "Accept-Encoding: identity");
  if (!request.token.empty()) headers = curl_slist_append(headers, ("Authorization: Bearer " + request.token).c_str());
  std::string range;
  if (request.range) range = fmt::format("{}-{}", request.range->first, request.range->second);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_RANGE, range.empty() ? nullptr : range.c_str());
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
  curl_slist_free_all(headers);
  if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
  if (cancelled->load()) throw Error(ErrorKind::cancelled, "interrupted");
  if (code == CURLE_OK) return;
  const std::string why = message[0] != '\0' ? message : curl_easy_strerror(code);
  throw NetworkError(fmt::format("{}: {}", origin_of(request.url), why));
}

HttpHead HttpConnection::get(const HttpGet& request, const Body& body) {
  state_->head = {};
  state_->body = &body;
  state_->message[0] = '\0';
  state_->perform(request);
  long status = 0;
  curl_easy_getinfo(state_->curl, CURLINFO_RESPONSE_CODE, &status);
  state_->head.status = static_cast<int>(status);
  return std::move(state_->head);
}

std::string origin_of(const std::string& url) {
  UrlHandle handle;
  handle.set(url);
  return lower(fmt::format("{}://{}:{}", handle.part(CURLUPART_SCHEME), handle.part(CURLUPART_HOST),
                           handle.part(CURLUPART_PORT)));
}

std::string resolve_url(const std::string& base, const std::string& location) {
  UrlHandle handle;
  handle.set(base);
  handle.set(location);
  return handle.whole();
}

std::string at_origin(const std::string& url, const std::string& origin) {
  UrlHandle from, to;
  from.set(url);
  to.set(origin);
  to.set(CURLUPART_PATH, from.part(CURLUPART_PATH));
  to.set(CURLUPART_QUERY, from.part(CURLUPART_QUERY));
  return to.whole();
}

std::string url_quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    quoted += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return quoted;
}

}  // namespace glimt

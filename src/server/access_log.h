// One line a request, on stderr: who asked for what, how it ended, how long it took. Never what was said, never a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {

struct AccessRecord {
  std::string request_id;
  std::string client;  // address
  std::string method;
  std::string path;  // without the query, which may hold a key
  int status = 0;    // 0: the client went before it was told one
  std::string model;
  std::string key;        // its name
  std::size_t bytes = 0;  // of the response's body
  double seconds = 0;
  double first_token_seconds = 0;
  std::size_t prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  std::string_view note;  // "cancelled", "slow client"; empty if nothing is special
};

// The line of a record, as text or as one JSON object; always valid UTF-8 without control characters.
std::string log_line(const AccessRecord& record);
std::string log_json(const AccessRecord& record);

// Never waits: where stderr takes nothing, the oldest lines are lost. Any thread may use it.
class AccessLog {
 public:
  enum class Form { none, text, json };

  explicit AccessLog(Form form);
  ~AccessLog();  // writes what waits

  void write(const AccessRecord& record);
  void say(std::string_view message);  // of the server itself: that it starts, stops, reads its certificate again

 private:
  Form form_;
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

}  // namespace glimt

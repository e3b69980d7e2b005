// The arguments of one call as JSON text that grows: what it is made of comes in the order in which the model writes.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>

namespace glimt {

// All that take() returns, one behind the other, is what dump_json writes for the object of these arguments. (A key
// that comes twice stands there twice; readers of JSON take the last.)
class CallJson {
 public:
  void add(std::string_view key, const json::value& value);

  // A string that is not known as a whole yet.
  void begin_text(std::string_view key);
  void add_text(char c);
  void end_text();

  void end();  // of the object

  std::string take();  // what came since the last time

 private:
  void begin(std::string_view key);

  bool empty_ = true;  // no argument so far
  std::string text_;
};

}  // namespace glimt

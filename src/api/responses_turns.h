// Puts together what the model said in one turn. Responses has an item for each part of it, and clients send these in
// orders of their own, e.g. a message between a call and its output.
#pragma once

#include "base/json.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

namespace glimt {

// A turn of the model goes on until something else is said, or until the outputs of all its calls are there (of those
// that come at all) and the model speaks again. Not thread-safe.
class ResponsesTurns {
 public:
  // All outputs to come, before anything else.
  void expect_output(const std::string& call_id) { ++expected_[call_id]; }

  void think(const std::string& text);
  void say(const std::string& text);
  void call(const std::string& call_id, const std::string& name, json::object arguments);
  void output(const std::string& call_id, std::string text);
  void other(std::string_view role, std::string text);  // a message of the user or the system

  json::array finish();  // all messages, in the form of chat/messages.h

 private:
  struct Turn {
    std::string thinking;
    std::string content;
    json::array calls;
    json::array outputs;               // messages that follow the turn's
    std::set<std::string> waited_for;  // calls whose outputs are to come
  };

  Turn& open();  // the turn that goes on, or a new one
  void close();

  std::unordered_map<std::string, std::size_t> expected_;  // outputs of each call that are to come
  json::array messages_;
  std::optional<Turn> turn_;
};

}  // namespace glimt

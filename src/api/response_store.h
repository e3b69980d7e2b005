// What was answered, by its id, for requests that refer to it: previous_response_id, item_reference, GET and DELETE.
// In memory only, and bounded: what was not used for the longest time goes first.
#pragma once

#include "base/json.h"

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// A response that may be referred to.
struct KeptResponse {
  std::string id;           // never used before, as those of its items
  std::string previous_id;  // the response that this one goes on from; empty: none
  std::string input;        // JSON of the items that came with its request, without those of the responses before it
  json::object body;        // as it was answered, with "output"
};

// Each owner (of a key of the server) sees its own responses only. All methods may be called from any thread, at once.
class ResponseStore {
 public:
  struct Limits {
    std::size_t responses = 4096;
    std::size_t bytes = std::size_t{64} << 20;  // of all that is kept, as JSON text
  };

  explicit ResponseStore(Limits limits) : limits_(limits) {}
  ResponseStore() : ResponseStore(Limits()) {}

  // Drops others where the limits are passed: of the owner who has the most bytes, its least recently used. A response
  // that is larger than the limit is not kept.
  void keep(const std::string& owner, KeptResponse response);

  // Nothing for an unknown id. They count as use.
  std::optional<json::object> body(const std::string& owner, const std::string& id);
  std::optional<json::array> input(const std::string& owner, const std::string& id);
  std::optional<json::object> item(const std::string& owner, const std::string& item_id);  // of an output

  // Inputs and outputs of the response and of all those that it goes on from, oldest first. Nothing if one of them is
  // not there any more.
  std::optional<json::array> conversation(const std::string& owner, const std::string& id);

  bool erase(const std::string& owner, const std::string& id);  // false for an unknown id

  std::size_t size() const;   // responses
  std::size_t bytes() const;  // of them

 private:
  // Text instead of values: less memory, and its size is known.
  struct Entry {
    std::string id;
    std::string previous_id;
    std::string input;
    std::string body;
    std::vector<std::string> item_ids;  // of the output
    std::size_t bytes = 0;
  };
  using Entries = std::list<Entry>;  // the most recently used one first
  struct Owner {
    Entries entries;
    std::map<std::string, Entries::iterator, std::less<>> by_id;
    std::map<std::string, Entries::iterator, std::less<>> by_item;
    std::size_t bytes = 0;
  };

  // Under the mutex.
  std::optional<std::string> kept_text(const std::string& owner, const std::string& id, std::string Entry::*text);
  Entry* use(Owner& owner, const std::string& id);  // null for an unknown id
  Owner* find_owner(const std::string& name);       // null for one who keeps nothing
  void drop(const std::string& owner, Entries::iterator entry);
  void drop_one();

  const Limits limits_;
  mutable std::mutex mutex_;
  std::map<std::string, Owner> owners_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace glimt

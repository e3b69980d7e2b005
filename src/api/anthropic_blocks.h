// An answer's events as Anthropic's content blocks: what opens, grows and closes a block.
//
// Blocks are numbered from 0 and one is open at a time. A block of text has something to see: white space that stands
// alone is dropped, since clients repeat a request whose answer is invisible, and servers refuse such blocks in a
// history. A block of thinking ends with a signature, without which clients do not send it back.
#pragma once

#include "base/json.h"
#include "chat/types.h"
#include "text/utf8.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glimt {

struct BlockEvent {
  std::string_view type;  // "content_block_start", "content_block_delta" or "content_block_stop"
  json::object data;      // {"type", "index", and "content_block", "delta" or nothing}
};

// All text that comes out is valid UTF-8. However the events are cut, the blocks are the same once their deltas are
// joined. Not thread-safe.
class AnthropicBlocks {
 public:
  explicit AnthropicBlocks(std::function<std::string(std::string_view)> new_id) : new_id_(std::move(new_id)) {}

  std::vector<BlockEvent> add(const OutputEvent& event);
  std::vector<BlockEvent> finish();  // closes what is open

  bool called() const { return called_; }      // a call is complete
  bool call_cut() const { return call_cut_; }  // one was shown and did not come to its end

 private:
  enum class Open : std::uint8_t { nothing, thinking, text, call };

  void open(Open kind, json::object block);
  void close();
  void tell(std::string_view type, std::string_view field, json::object payload);
  void delta(const std::string& text);
  void write(std::string_view bytes);
  void add_thinking(std::string_view text);
  void add_text(std::string_view text);
  void start_call(const std::string& name);
  void end_call(const json::object& arguments);

  std::function<std::string(std::string_view)> new_id_;
  Open open_ = Open::nothing;
  std::size_t blocks_ = 0;    // opened so far
  Utf8Assembler characters_;  // of the open block
  bool written_ = false;      // to the open block
  std::uint64_t hash_ = 0;    // of what was written to it
  std::string space_;         // white space that no text has followed yet
  bool called_ = false;
  bool call_cut_ = false;
  std::vector<BlockEvent> events_;
};

}  // namespace glimt

#include "api/anthropic_blocks.h"

#include "api/wire.h"
#include "base/text.h"

namespace glimt {
namespace {

constexpr std::uint64_t kHashStart = 0xCBF29CE484222325U;  // FNV-1a
constexpr std::uint64_t kHashPrime = 0x100000001B3U;

std::uint64_t hashed(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * kHashPrime;
  return hash;
}

}  // namespace

std::vector<BlockEvent> AnthropicBlocks::add(const OutputEvent& event) {
  if (const auto* thinking = std::get_if<ThinkingDelta>(&event)) add_thinking(thinking->text);
  if (const auto* content = std::get_if<ContentDelta>(&event)) add_text(content->text);
  if (const auto* start = std::get_if<ToolCallStart>(&event)) start_call(start->name);
  if (const auto* json = std::get_if<ToolCallDelta>(&event)) write(json->json);
  if (const auto* complete = std::get_if<ToolCallComplete>(&event)) end_call(complete->call.arguments);
  if (const auto* cut = std::get_if<ToolCallCut>(&event)) {
    if (cut->announced) {
      close();
      call_cut_ = true;
    } else {
      add_text(cut->text);
    }
  }
  return std::exchange(events_, {});
}

std::vector<BlockEvent> AnthropicBlocks::finish() {
  close();
  return std::exchange(events_, {});
}

void AnthropicBlocks::open(Open kind, json::object block) {
  close();
  open_ = kind;
  hash_ = kHashStart;
  written_ = false;
  ++blocks_;
  tell("content_block_start", "content_block", std::move(block));
}

void AnthropicBlocks::close() {
  space_.clear();
  if (open_ == Open::nothing) return;
  std::string rest;
  characters_.finish(rest);
  delta(rest);
  if (open_ == Open::thinking) {
    tell("content_block_delta", "delta", {{"type", "signature_delta"}, {"signature", fmt::format("{:016x}", hash_)}});
  }
  tell("content_block_stop", {}, {});
  open_ = Open::nothing;
}

// Of the block that was opened last.
void AnthropicBlocks::tell(std::string_view type, std::string_view field, json::object payload) {
  json::object data{{"type", type}, {"index", blocks_ - 1}};
  if (!field.empty()) data[field] = std::move(payload);
  events_.push_back({type, std::move(data)});
}

// Whole characters to the open block.
void AnthropicBlocks::delta(const std::string& text) {
  if (text.empty()) return;
  struct Names {
    std::string_view type, field;
  };
  constexpr Names kNames[] = {
      {}, {"thinking_delta", "thinking"}, {"text_delta", "text"}, {"input_json_delta", "partial_json"}};
  const Names& names = kNames[static_cast<std::size_t>(open_)];
  written_ = true;
  hash_ = hashed(hash_, text);
  tell("content_block_delta", "delta", {{"type", names.type}, {names.field, text}});
}

void AnthropicBlocks::write(std::string_view bytes) {
  std::string text;
  characters_.push(bytes, text);
  delta(text);
}

void AnthropicBlocks::add_thinking(std::string_view text) {
  if (text.empty()) return;
  if (open_ != Open::thinking) open(Open::thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
  write(text);
}

void AnthropicBlocks::add_text(std::string_view text) {
  if (text.empty()) return;
  if (open_ != Open::text) {
    if (open_ != Open::nothing) close();
    space_ += text;
    if (trimmed(space_).empty()) return;
    const std::string begin = std::exchange(space_, {});
    open(Open::text, {{"type", "text"}, {"text", ""}});
    write(begin);
  } else {
    write(text);
  }
}

void AnthropicBlocks::start_call(const std::string& name) {
  open(Open::call,
       {{"type", "tool_use"}, {"id", new_id_("toolu_")}, {"name", valid_utf8(name)}, {"input", json::object{}}});
}

void AnthropicBlocks::end_call(const json::object& arguments) {
  if (!written_) write(dump_json(arguments));
  close();
  called_ = true;
}

}  // namespace glimt

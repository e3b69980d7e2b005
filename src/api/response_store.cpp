#include "api/response_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kEntryBytes = 512;  // of an entry besides its texts: nodes of lists and maps
constexpr std::size_t kItemBytes = 128;   // of an item's entry in the map

json::value parse_kept(const std::string& text) { return parse_json(text, "response"); }

std::vector<std::string> item_ids_of(const json::object& body) {
  std::vector<std::string> ids;
  for (const json::value& item : body.at("output").as_array()) ids.emplace_back(item.at("id").as_string());
  return ids;
}

void append(json::array& items, json::array&& more) {
  items.insert(items.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

void ResponseStore::keep(const std::string& owner, KeptResponse response) {
  Entry entry{.id = std::move(response.id),
              .previous_id = std::move(response.previous_id),
              .input = std::move(response.input),
              .body = dump_json(response.body),
              .item_ids = item_ids_of(response.body)};
  entry.bytes = kEntryBytes + entry.input.size() + entry.body.size() + kItemBytes * entry.item_ids.size();
  if (entry.bytes > limits_.bytes || limits_.responses == 0) return;

  const std::lock_guard lock(mutex_);
  while (size_ >= limits_.responses || bytes_ + entry.bytes > limits_.bytes) drop_one();
  Owner& owned = owners_[owner];
  owned.bytes += entry.bytes;
  bytes_ += entry.bytes;
  ++size_;
  owned.entries.push_front(std::move(entry));
  const auto kept = owned.entries.begin();
  owned.by_id.emplace(kept->id, kept);
  for (const std::string& id : kept->item_ids) owned.by_item.emplace(id, kept);
}

// Copied with the lock, so that it can be parsed without.
std::optional<std::string> ResponseStore::kept_text(const std::string& owner, const std::string& id,
                                                    std::string Entry::*text) {
  const std::lock_guard lock(mutex_);
  Owner* owned = find_owner(owner);
  const Entry* entry = owned == nullptr ? nullptr : use(*owned, id);
  return entry == nullptr ? std::nullopt : std::optional(entry->*text);
}

std::optional<json::object> ResponseStore::body(const std::string& owner, const std::string& id) {
  const std::optional<std::string> text = kept_text(owner, id, &Entry::body);
  return text ? std::optional(parse_kept(*text).as_object()) : std::nullopt;
}

std::optional<json::array> ResponseStore::input(const std::string& owner, const std::string& id) {
  const std::optional<std::string> text = kept_text(owner, id, &Entry::input);
  return text ? std::optional(parse_kept(*text).as_array()) : std::nullopt;
}

std::optional<json::object> ResponseStore::item(const std::string& owner, const std::string& item_id) {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    Owner* owned = find_owner(owner);
    if (owned == nullptr) return std::nullopt;
    const auto found = owned->by_item.find(item_id);
    if (found == owned->by_item.end()) return std::nullopt;
    text = use(*owned, found->second->id)->body;
  }
  const json::value body = parse_kept(text);
  const json::array& output = body.at("output").as_array();
  const auto* item = std::find_if(output.begin(), output.end(),
                                  [&](const json::value& i) { return i.at("id").as_string() == item_id; });
  return item->as_object();
}

std::optional<json::array> ResponseStore::conversation(const std::string& owner, const std::string& id) {
  std::vector<std::string> texts;  // newest first: body, input, body, input, …
  {
    const std::lock_guard lock(mutex_);
    Owner* owned = find_owner(owner);
    if (owned == nullptr) return std::nullopt;
    for (std::string at = id; !at.empty();) {
      const Entry* entry = use(*owned, at);
      if (entry == nullptr) return std::nullopt;
      texts.push_back(entry->body);
      texts.push_back(entry->input);
      at = entry->previous_id;
    }
  }
  json::array items;
  for (std::size_t i = texts.size(); i >= 2; i -= 2) {
    append(items, std::move(parse_kept(texts[i - 1]).as_array()));
    append(items, std::move(parse_kept(texts[i - 2]).at("output").as_array()));
  }
  return items;
}

bool ResponseStore::erase(const std::string& owner, const std::string& id) {
  const std::lock_guard lock(mutex_);
  Owner* owned = find_owner(owner);
  if (owned == nullptr) return false;
  const auto found = owned->by_id.find(id);
  if (found == owned->by_id.end()) return false;
  drop(owner, found->second);
  return true;
}

std::size_t ResponseStore::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

std::size_t ResponseStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

ResponseStore::Owner* ResponseStore::find_owner(const std::string& name) {
  const auto found = owners_.find(name);
  return found == owners_.end() ? nullptr : &found->second;
}

ResponseStore::Entry* ResponseStore::use(Owner& owner, const std::string& id) {
  const auto found = owner.by_id.find(id);
  if (found == owner.by_id.end()) return nullptr;
  owner.entries.splice(owner.entries.begin(), owner.entries, found->second);
  return &*found->second;
}

void ResponseStore::drop(const std::string& owner, Entries::iterator entry) {
  Owner& owned = owners_.at(owner);
  owned.bytes -= entry->bytes;
  bytes_ -= entry->bytes;
  --size_;
  for (const std::string& id : entry->item_ids) owned.by_item.erase(id);
  owned.by_id.erase(entry->id);
  owned.entries.erase(entry);
  if (owned.entries.empty()) owners_.erase(owners_.find(owner));
}

void ResponseStore::drop_one() {
  const auto largest = std::max_element(owners_.begin(), owners_.end(),
                                        [](const auto& a, const auto& b) { return a.second.bytes < b.second.bytes; });
  drop(largest->first, std::prev(largest->second.entries.end()));
}

}  // namespace glimt

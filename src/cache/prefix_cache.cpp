// Why nothing here scans: a node becomes busy or idle at most once for each block that a sequence takes or lets go, and
// tells its parent only then, so `busy` costs O(1) amortized; idle leaves wait in a map sorted by their last use.
#include "cache/prefix_cache.h"

#include "base/error.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

// All but the last token may come from the cache.
std::span<const TokenId> reusable(std::span<const TokenId> tokens) {
  return tokens.first(tokens.empty() ? 0 : tokens.size() - 1);
}

std::size_t common_tokens(std::span<const TokenId> a, std::span<const TokenId> b) {
  const std::size_t most = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first - a.begin());
}

}  // namespace

bool PrefixCache::ByTokens::operator()(std::span<const TokenId> a, std::span<const TokenId> b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

PrefixCache::PrefixCache(BlockPool& pool, int block_tokens)
    : pool_(pool), block_tokens_(block_tokens), nodes_(static_cast<std::size_t>(pool.size())) {
  if (block_tokens < 1)
    fail(ErrorKind::invalid_request, "prefix cache", "wanted blocks of 1 token or more, got {}", block_tokens);
  pool_.observe([this](int block, int) {
    if (Node* node = node_of(block)) update(node);
  });
}

PrefixCache::~PrefixCache() {
  pool_.observe({});
  clear();
}

PrefixCache::Path PrefixCache::find_path(std::string_view name_space, std::span<const TokenId> tokens) const {
  const auto root = roots_.find(name_space);
  if (root == roots_.end()) return {};
  Path path{root->second.get()};
  const auto block_tokens = static_cast<std::size_t>(block_tokens_);
  for (; tokens.size() >= block_tokens; tokens = tokens.subspan(block_tokens)) {
    const auto child = path.back()->children.find(tokens.first(block_tokens));
    if (child == path.back()->children.end()) break;
    path.push_back(child->second);
  }
  return path;
}

PrefixMatch PrefixCache::match(std::string_view name_space, std::span<const TokenId> tokens) {
  PrefixMatch found;
  ++clock_;
  std::size_t hits = 0;
  const Path path = find_path(name_space, reusable(tokens));
  if (!path.empty()) {
    path.front()->used = clock_;
    found.blocks.reserve(path.size());  // a reference that is taken must not be lost
    for (auto node = path.begin() + 1; node != path.end(); ++node) {
      pool_.share((*node)->block);
      touch(*node);
      found.blocks.push_back((*node)->block);
    }
    hits = found.blocks.size() * static_cast<std::size_t>(block_tokens_);
    share_partial(*path.back(), reusable(tokens).subspan(hits), found);
    if (found.partial) hits += static_cast<std::size_t>(found.partial->tokens);
  }
  stats_.hit_tokens += hits;
  stats_.miss_tokens += tokens.size() - hits;
  return found;
}

void PrefixCache::share_partial(const Node& parent, std::span<const TokenId> tokens, PrefixMatch& found) {
  // In sorted order the common beginning with `tokens` only shrinks with the distance from where `tokens` would be.
  const auto after = parent.children.lower_bound(tokens);
  Node* best = nullptr;
  std::size_t most = 0;
  const auto consider = [&](Node* node) {
    const std::size_t common = common_tokens(node->tokens, tokens);
    if (common <= most) return;
    best = node;
    most = common;
  };
  if (after != parent.children.end()) consider(after->second);
  if (after != parent.children.begin()) consider(std::prev(after)->second);
  if (best == nullptr) return;
  pool_.share(best->block);
  touch(best);
  found.partial = {best->block, static_cast<int>(most)};
}

PrefixCache::Coverage PrefixCache::peek(std::string_view name_space, std::span<const TokenId> tokens) const {
  const Path path = find_path(name_space, reusable(tokens));
  if (path.empty()) return {};
  const auto busy = std::count_if(path.begin() + 1, path.end(), [](const Node* node) { return node->busy; });
  return {static_cast<int>(path.size()) - 1, static_cast<int>(busy)};
}

int PrefixCache::insert(std::string_view name_space, std::span<const TokenId> tokens, std::span<const int> blocks) {
  const auto block_tokens = static_cast<std::size_t>(block_tokens_);
  const std::size_t full = std::min(tokens.size() / block_tokens, blocks.size());
  const std::span<const TokenId> tail =
      full < blocks.size() ? tokens.subspan(full * block_tokens) : std::span<const TokenId>();
  if (full == 0 && tail.empty()) return 0;
  ++clock_;
  Path path = find_path(name_space, tokens.first(full * block_tokens));
  if (path.empty()) {
    auto root = std::make_unique<Node>();
    root->name_space = name_space;
    root->root = root.get();
    path.push_back(root.get());
    roots_.emplace(name_space, std::move(root));
  }
  path.front()->used = clock_;
  for (auto node = path.begin() + 1; node != path.end(); ++node) touch(*node);
  Node* leaf = path.back();
  for (std::size_t i = path.size() - 1; i < full; ++i) {
    leaf = add(leaf, tokens.subspan(i * block_tokens, block_tokens), blocks[i]);
  }
  const int taken = static_cast<int>(full - (path.size() - 1));
  return tail.empty() ? taken : taken + insert_tail(leaf, tail, blocks[full]);
}

// A tail that a block here begins with brings nothing new.
int PrefixCache::insert_tail(Node* parent, std::span<const TokenId> tokens, int block) {
  const auto after = parent->children.lower_bound(tokens);
  if (after != parent->children.end() && common_tokens(after->second->tokens, tokens) == tokens.size()) {
    touch(after->second);
    return 0;
  }
  add(parent, tokens, block);
  return 1;
}

PrefixCache::Node* PrefixCache::add(Node* parent, std::span<const TokenId> tokens, int block) {
  if (node_of(block) != nullptr && pool_.references(block) > 0) {
    fail(ErrorKind::internal, "prefix cache", "block {} is in the tree for other tokens", block);
  }
  auto node = std::make_unique<Node>();
  node->parent = parent;
  node->root = parent->root;
  node->block = block;
  node->tokens.assign(tokens.begin(), tokens.end());
  node->used = clock_;
  IdleLeaves place_of_its_own{{clock_, node.get()}};
  node->ticket = place_of_its_own.extract(place_of_its_own.begin());
  const auto place = parent->children.emplace(node->tokens, node.get()).first;
  try {
    pool_.share(block);
  } catch (...) {
    parent->children.erase(place);
    throw;
  }
  ++held_;
  ++node->root->held;
  file(parent);        // no leaf any more
  update(node.get());  // busy: the sequence holds it too
  // A tail that the new block begins with is of no more use.
  if (place != parent->children.begin()) {
    Node* before = std::prev(place)->second;
    if (common_tokens(before->tokens, tokens) == before->tokens.size() && before->is_idle_leaf()) remove(before);
  }
  return (nodes_[static_cast<std::size_t>(block)] = std::move(node)).get();
}

PrefixCache::Node* PrefixCache::next_to_evict() const {
  const auto is_recent = [this](const Node& root) { return clock_ - root.used <= kRecentCalls; };
  const auto recent = std::count_if(roots_.begin(), roots_.end(), [&](const auto& r) { return is_recent(*r.second); });
  const auto share = pool_.size() / std::max<std::ptrdiff_t>(1, recent);
  Node* next = nullptr;
  bool next_has_more = false;  // than its share
  for (const auto& [name, root] : roots_) {
    if (root->idle_leaves.empty()) continue;
    Node* oldest = root->idle_leaves.begin()->second;
    const bool has_more = root->held > share;
    if (next != nullptr && (has_more != next_has_more ? !has_more : oldest->used >= next->used)) continue;
    next = oldest;
    next_has_more = has_more;
  }
  return next;
}

int PrefixCache::evict(int blocks) {
  int freed = 0;
  for (; freed < blocks; ++freed) {
    Node* leaf = next_to_evict();
    if (leaf == nullptr) break;
    remove(leaf);
  }
  stats_.evicted_blocks += static_cast<std::uint64_t>(freed);
  return freed;
}

void PrefixCache::remove(Node* leaf) {
  const std::unique_ptr<Node> node = std::move(nodes_[static_cast<std::size_t>(leaf->block)]);
  Node* parent = node->parent;
  take_out(node.get());
  parent->children.erase(node->tokens);
  file(parent);
  --node->root->held;
  if (parent->parent == nullptr && parent->children.empty()) roots_.erase(parent->name_space);
  --held_;
  pool_.release(node->block);
}

void PrefixCache::clear() {
  roots_.clear();
  held_ = busy_ = 0;
  for (std::unique_ptr<Node>& slot : nodes_) {
    const std::unique_ptr<Node> node = std::move(slot);
    if (node) pool_.release(node->block);
  }
}

void PrefixCache::touch(Node* node) {
  take_out(node);
  node->used = clock_;
  file(node);
}

void PrefixCache::update(Node* node) {
  for (; node->parent != nullptr; node = node->parent) {
    const bool busy = node->busy_children > 0 || pool_.references(node->block) > 1;
    if (busy == node->busy) return;
    node->busy = busy;
    file(node);
    busy_ += busy ? 1 : -1;
    node->parent->busy_children += busy ? 1 : -1;
  }
}

void PrefixCache::file(Node* node) {
  if (!node->is_idle_leaf()) return take_out(node);
  if (!node->ticket) return;  // it is there
  node->ticket.key() = node->used;
  node->root->idle_leaves.insert(std::move(node->ticket));
}

void PrefixCache::take_out(Node* node) {
  if (node->parent == nullptr || node->ticket) return;
  node->ticket = node->root->idle_leaves.extract(node->used);
}

}  // namespace glimt

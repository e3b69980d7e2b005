#include "grammar/grammar_cache.h"

#include <algorithm>
#include <utility>

namespace glimt {

GrammarCache::GrammarCache(Grammar::Environment environment, const GrammarCacheLimits& limits)
    : environment_(std::move(environment)), limits_(limits) {}

// The first letter of a key is the kind, so that no source of one kind is another's.

Grammar GrammarCache::json_schema(const json::value& schema) {
  return find_or_compile('j' + json::serialize(schema), [&] { return Grammar::json_schema(environment_, schema); });
}

Grammar GrammarCache::json_object() {
  return find_or_compile("o", [&] { return Grammar::json_object(environment_); });
}

Grammar GrammarCache::regex(std::string_view pattern) {
  return find_or_compile('r' + std::string(pattern), [&] { return Grammar::regex(environment_, pattern); });
}

Grammar GrammarCache::lark(std::string_view source) {
  return find_or_compile('l' + std::string(source), [&] { return Grammar::lark(environment_, source); });
}

Grammar GrammarCache::tool_calls(const json::array& tools, const ToolCallRules& rules) {
  const json::array key{json::value_from(rules.allowed), rules.parallel, rules.required,
                        rules.answer ? json::array{*rules.answer} : json::array{}, tools};
  return find_or_compile('t' + json::serialize(key), [&] { return Grammar::tool_calls(environment_, tools, rules); });
}

GrammarCache::Stats GrammarCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

Grammar GrammarCache::find_or_compile(std::string key, const std::function<Grammar()>& compile) {
  const auto find = [&] {
    return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  };
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = find(); found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
      ++stats_.hits;
      return found->grammar;
    }
    ++stats_.misses;
  }
  Grammar grammar = compile();  // others go on meanwhile
  const std::lock_guard lock(mutex_);
  if (key.size() > limits_.bytes || find() != entries_.end()) return grammar;
  stats_.bytes += key.size();
  entries_.push_front({std::move(key), grammar});
  while (entries_.size() > limits_.entries || stats_.bytes > limits_.bytes) {
    stats_.bytes -= entries_.back().key.size();
    entries_.pop_back();
  }
  stats_.entries = entries_.size();
  return grammar;
}

}  // namespace glimt

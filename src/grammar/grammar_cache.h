// Compiled grammars that are asked for again: an agent sends the same schema and tools with each request.
#pragma once

#include "grammar/grammar.h"

#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

namespace glimt {

struct GrammarCacheLimits {
  std::size_t entries = 32;
  std::size_t bytes = std::size_t{1} << 20;  // of all sources together; a longer one is not kept
};

// The makers of Grammar over one environment, with the grammars used last kept. Errors are not kept. Any number of
// threads may use one at once; a grammar that several ask for first at the same time may be compiled by each.
class GrammarCache {
 public:
  explicit GrammarCache(Grammar::Environment environment, const GrammarCacheLimits& limits = {});

  Grammar json_schema(const json::value& schema);
  Grammar json_object();
  Grammar regex(std::string_view pattern);
  Grammar lark(std::string_view source);
  Grammar tool_calls(const json::array& tools, const ToolCallRules& rules = {});

  struct Stats {
    std::size_t entries = 0;
    std::size_t bytes = 0;
    std::size_t hits = 0;
    std::size_t misses = 0;
  };
  Stats stats() const;

 private:
  struct Entry {
    std::string key;
    Grammar grammar;
  };

  Grammar find_or_compile(std::string key, const std::function<Grammar()>& compile);

  Grammar::Environment environment_;
  GrammarCacheLimits limits_;
  mutable std::mutex mutex_;  // of what follows
  std::list<Entry> entries_;  // the one used last is first
  Stats stats_;
};

}  // namespace glimt

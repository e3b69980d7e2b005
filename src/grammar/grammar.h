// Constrained output: which tokens may come next so that an answer fits a JSON schema, a regex, a grammar or the tools
// of a conversation. docs/GRAMMAR.md says what is supported and what it costs.
//
//   GrammarEnvironment   one a model: its tokens as a trie, the tokens that end an answer
//   Grammar              one a request: compiled and checked
//   Matcher              one a sequence: where in the grammar the answer stands
//
// A sampler asks `mask` which tokens may follow, and tells `accept` which one came; speculative decoding takes tokens
// that the model did not confirm back with `rollback`. An answer that reaches an end token fits the grammar. It may be
// cut off before by a limit of tokens: a grammar rarely has a longest text.
#pragma once

#include "base/json.h"
#include "base/token.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct GtGrammarEnv;
struct GtMatcher;

namespace glimt {

// Immutable: any number of threads may use one at once. Grammars and matchers keep it alive; it needs the tokenizer
// only while it is made.
class GrammarEnvironment {
 public:
  // `vocab_width`: columns of the model's logits; ids that the tokenizer does not have are never allowed. `ends`: the
  // control tokens that end an answer (eos_token_id), at least one. Throws invalid_request. 154,880 tokens: 0.6 s, 29
  // MB.
  GrammarEnvironment(const Tokenizer& tokenizer, std::size_t vocab_width, std::span<const TokenId> ends);

  std::size_t vocab_width() const { return vocab_width_; }
  std::size_t mask_words() const { return (vocab_width_ + 31) / 32; }
  const std::vector<TokenId>& ends() const { return ends_; }

  // The control token of this text. Throws unsupported if the tokenizer has none.
  TokenId control(std::string_view text) const;

 private:
  friend class Grammar;
  friend class Matcher;
  struct Free {
    void operator()(GtGrammarEnv* handle) const;
  };

  std::unique_ptr<GtGrammarEnv, Free> handle_;
  std::size_t vocab_width_;
  std::vector<TokenId> ends_;
  std::vector<ControlToken> controls_;
  std::vector<std::uint32_t> text_mask_;  // all tokens but the control tokens
};

// Where an answer stands in its grammar. Movable; `clone` makes a second one. One thread at a time.
//
// Every method throws invalid_request if the grammar turns out too complex on the way (thousands of readings at once,
// or a regex with tens of thousands of states); the matcher is of no use then, others are not touched.
class Matcher {
 public:
  enum class State {
    unfinished,  // more must come
    accepting,   // may end here, or go on
    complete,    // nothing but an end can come
    ended,       // an end token was accepted
  };

  ~Matcher();
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(Matcher&&) noexcept;
  Matcher clone() const;

  // One bit a token, bit id % 32 of words[id / 32]: 1 if it may come next. `words` must have mask_words() entries; all
  // are written. Never empty: the end tokens are in it if the answer may end here, and nothing else is if it must.
  void mask(std::span<std::uint32_t> words);

  // Appends a token. False, and nothing changed, if it may not come next. Where only one text can follow, the mask has
  // the tokenizer's own spelling of it; other tokens that spell the same are accepted, too.
  bool accept(TokenId id);

  // Takes back the last `count` accepted tokens. REQUIRES: so many were accepted.
  void rollback(std::size_t count);

  // The tokens that have to come next, whatever the model says; often none. They are not accepted yet.
  std::vector<TokenId> forced();

  State state();
  std::size_t accepted() const { return free_tokens_ + tokens_; }

  // False while the free thinking in front goes on.
  bool constrained() const { return !free_until_; }

 private:
  friend class Grammar;
  struct Free {
    void operator()(GtMatcher* handle) const;
  };
  Matcher(std::shared_ptr<const GrammarEnvironment> environment, std::unique_ptr<GtMatcher, Free> handle,
          std::optional<TokenId> free_until);

  std::shared_ptr<const GrammarEnvironment> environment_;
  std::unique_ptr<GtMatcher, Free> handle_;
  std::optional<TokenId> thinking_end_;  // the grammar begins behind this token
  std::optional<TokenId> free_until_;    // the same while it did not come yet
  std::size_t free_tokens_ = 0;
  std::size_t tokens_ = 0;  // of the grammar
};

// What a client's tool_choice, parallel_tool_calls and response_format say about an answer that may call tools.
struct ToolCallRules {
  std::vector<std::string> allowed = {};   // names of the tools that may be called; empty: all
  bool parallel = true;                    // more calls may follow the first
  bool required = true;                    // at least one call; else text, or what `answer` says, is as good
  std::optional<json::value> answer = {};  // if not required: without a call the answer is JSON that fits this schema
};

// A compiled grammar. Immutable, cheap to copy, may be used by several threads at once.
//
// All constructors throw invalid_request that says where in the source something is wrong or not supported, and are
// bounded in time and memory whatever the source holds.
class Grammar {
 public:
  using Environment = std::shared_ptr<const GrammarEnvironment>;

  // JSON in one line, written as dump_json does ("a": 1, "b": 2), with the properties in the order of the schema.
  // `where` opens the messages: "response_format: /properties/a: keyword 'not' is not supported".
  static Grammar json_schema(Environment environment, const json::value& schema, std::string_view where = "schema");

  // Any JSON object.
  static Grammar json_object(Environment environment);

  // The whole answer matches; Rust's syntax without look-around.
  static Grammar regex(Environment environment, std::string_view pattern);

  // llguidance's variant of Lark. A control token is <name> or <[id]>.
  static Grammar lark(Environment environment, std::string_view source);

  // Calls of the tools (in any form that tool_declaration.h understands), in GLM's form:
  //   <tool_call>NAME<arg_key>K</arg_key><arg_value>V</arg_value>…</tool_call>
  // Only declared arguments, in the order of the schema, the required ones always, values as chat/OutputParser reads
  // them: text where the schema says string, else JSON. With required = false the calls are behind free text or instead
  // of it; with an `answer` as well they are instead of the JSON, and there is no free text.
  static Grammar tool_calls(Environment environment, const json::array& tools, const ToolCallRules& rules = {});

  // The same grammar for an answer that starts inside of the thinking: free text, then </think>, then the grammar.
  Grammar after_thinking() const;

  const GrammarEnvironment& environment() const;

  // Stands at the beginning. Takes 0.03 ms, 1 ms for large grammars.
  Matcher matcher() const;

 private:
  Grammar(Environment environment, int kind, std::string_view source, std::string_view where);

  std::shared_ptr<const Matcher> start_;
};

}  // namespace glimt

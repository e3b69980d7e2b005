// The C interface of the Rust crate glimt_text: byte-level BPE tokenizers (Hugging Face tokenizer.json), chat
// templates (Jinja as Hugging Face renders it) and constrained output (llguidance). src/text and src/grammar wrap it;
// nothing else should include it.
//
// Rules that hold for every function:
//   * It returns a GtStatus. On anything but GT_OK the out parameters are untouched and *error holds a message
//     (UTF-8, at most a few KB) that the caller frees with gt_bytes_free. On GT_OK *error is untouched.
//   * It never unwinds, prints or aborts: a Rust panic becomes GT_INTERNAL.
//   * Strings are pointer and length, need no terminating zero, may hold zeros, and must be UTF-8 (else
//     GT_INVALID_INPUT). A null pointer is allowed where the length is 0.
//   * Handles are immutable after creation, but for GtMatcher: any number of threads may use one at once; free it
//     exactly once, after the last use. Freeing null does nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum GtStatus {
  GT_OK = 0,
  GT_INVALID_INPUT = 1,  // the text or the request: not UTF-8, too long, refused by the template
  GT_BAD_FILE = 2,       // the tokenizer.json or the template: malformed
  GT_UNSUPPORTED = 3,    // a well-formed tokenizer.json that works in another way than byte-level BPE does
  GT_INTERNAL = 4,       // a bug: a panic was caught
} GtStatus;

// Memory of the library, handed to the caller. data is null when size is 0.
typedef struct GtBytes {
  uint8_t* data;
  size_t size;
} GtBytes;
typedef struct GtIds {
  uint32_t* data;
  size_t size;
} GtIds;
void gt_bytes_free(GtBytes bytes);
void gt_ids_free(GtIds ids);

// ---- Tokenizer ----------------------------------------------------------------------------------------------------
typedef struct GtTokenizer GtTokenizer;

// Reads the text of a tokenizer.json. Truncation and padding that it asks for are switched off. GT_UNSUPPORTED unless
// the decoder is ByteLevel, there is no BPE dropout, ids are below 2^24, and every added token is plain: at least two
// characters, no white space, no lstrip, rstrip or single_word.
GtStatus gt_tokenizer_new(const char* json, size_t size, GtTokenizer** tokenizer, GtBytes* error);
void gt_tokenizer_free(GtTokenizer* tokenizer);

// Ids of at most 16 MiB of text; nothing is added in front or behind. recognise_added != 0: the texts of added tokens
// become those tokens, exactly as tokenizers' encode(text, add_special_tokens=False) does. recognise_added == 0: the
// text is ordinary text and no added token can result.
GtStatus gt_tokenizer_encode(const GtTokenizer* tokenizer, const char* text, size_t size, int recognise_added, GtIds* ids,
                             GtBytes* error);

// The bytes that every id stands for. Id i is bytes[ends[i-1] .. ends[i]) (ends[-1] = 0); flags[i] is a sum of GT_PIECE_*.
enum {
  GT_PIECE_EXISTS = 1,   // without it the id is a hole and its bytes are empty
  GT_PIECE_ADDED = 2,    // an added token: the bytes are its text
  GT_PIECE_SPECIAL = 4,  // an added token that Hugging Face's skip_special_tokens leaves out
};
typedef struct GtPieces {
  GtBytes bytes;
  GtIds ends;
  GtBytes flags;
} GtPieces;
GtStatus gt_tokenizer_pieces(const GtTokenizer* tokenizer, GtPieces* pieces, GtBytes* error);

// ---- Chat template ------------------------------------------------------------------------------------------------
typedef struct GtChatTemplate GtChatTemplate;

// Compiles a Jinja template of at most 256 KiB in the environment that Hugging Face's apply_chat_template uses.
GtStatus gt_chat_template_new(const char* source, size_t size, GtChatTemplate** chat_template, GtBytes* error);
void gt_chat_template_free(GtChatTemplate* chat_template);

// Renders with the variables of a JSON object (key order is kept). Work and output are bounded; a template that runs
// over the bound, fails, or calls raise_exception(message) gives GT_INVALID_INPUT.
GtStatus gt_chat_template_render(const GtChatTemplate* chat_template, const char* context_json, size_t size, GtBytes* text,
                                 GtBytes* error);

// ---- Constrained output -------------------------------------------------------------------------------------------
// What the grammars of one model share: the trie of its tokens. Keeps the tokenizer alive by itself.
typedef struct GtGrammarEnv GtGrammarEnv;

// `width`: ids in a mask, at least those of the tokenizer (a model's logits may be wider; the rest is never allowed).
// `ends`: the added tokens that end an answer, at least one. All added tokens are control tokens here: no string,
// regex or text of a grammar matches them, only <[id]> in Lark does. Takes 4 us and 0.2 KB a token.
GtStatus gt_grammar_env_new(const GtTokenizer* tokenizer, size_t width, const uint32_t* ends, size_t end_count,
                            GtGrammarEnv** env, GtBytes* error);
void gt_grammar_env_free(GtGrammarEnv* env);

typedef enum GtGrammarKind {
  GT_GRAMMAR_JSON_SCHEMA = 0,  // at most 1 MiB, nested less than 128 levels
  GT_GRAMMAR_REGEX = 1,        // at most 16 KiB, Rust's syntax without look-around; matches the whole text
  GT_GRAMMAR_LARK = 2,         // at most 1.5 MiB, llguidance's variant of Lark, at most 600 readings at once
  GT_GRAMMAR_TOOLS = 3,        // the same, made by ourselves: at most 2,000 readings
} GtGrammarKind;

// A place in a text that a grammar constrains. Belongs to one thread at a time; gt_matcher_clone alone may be called by
// several threads at once as long as nothing else is.
typedef struct GtMatcher GtMatcher;

// Compiles a grammar; the matcher stands at its beginning. GT_INVALID_INPUT says what is wrong with the source.
GtStatus gt_matcher_new(const GtGrammarEnv* env, int kind, const char* source, size_t size, GtMatcher** matcher,
                        GtBytes* error);
GtStatus gt_matcher_clone(const GtMatcher* matcher, GtMatcher** copy, GtBytes* error);
void gt_matcher_free(GtMatcher* matcher);

// Writes one bit an id, lowest bit of the lowest word first: the tokens that may come next. `count` words, at least
// enough for the width. Never all zero: where nothing can follow, the end tokens are set. GT_INVALID_INPUT when the
// grammar grew over its bounds; from then on every call fails so.
GtStatus gt_matcher_mask(GtMatcher* matcher, uint32_t* words, size_t count, GtBytes* error);

// Appends a token. *accepted is 0 and nothing changes if the grammar does not allow it.
GtStatus gt_matcher_consume(GtMatcher* matcher, uint32_t id, int* accepted, GtBytes* error);

// Takes back the last `count` tokens (at most those that were accepted).
GtStatus gt_matcher_rollback(GtMatcher* matcher, size_t count, GtBytes* error);

// The tokens that must come next whatever the model wants; often none.
GtStatus gt_matcher_forced(GtMatcher* matcher, GtIds* ids, GtBytes* error);

typedef enum GtMatcherState {
  GT_MATCHER_UNFINISHED = 0,  // more must come
  GT_MATCHER_ACCEPTING = 1,   // the text may end here, or go on
  GT_MATCHER_COMPLETE = 2,    // nothing but an end token can come
  GT_MATCHER_ENDED = 3,       // an end token came
} GtMatcherState;
GtStatus gt_matcher_state(GtMatcher* matcher, int* state, GtBytes* error);

#ifdef __cplusplus
}
#endif

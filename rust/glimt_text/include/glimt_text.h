// The C interface of the Rust crate glimt_text: byte-level BPE tokenizers (Hugging Face tokenizer.json) and chat
// templates (Jinja as Hugging Face renders it). src/text wraps it; nothing else should include it.
//
// Rules that hold for every function:
//   * It returns a GtStatus. On anything but GT_OK the out parameters are untouched and *error holds a message
//     (UTF-8, at most a few KB) that the caller frees with gt_bytes_free. On GT_OK *error is untouched.
//   * It never unwinds, prints or aborts: a Rust panic becomes GT_INTERNAL.
//   * Strings are pointer and length, need no terminating zero, may hold zeros, and must be UTF-8 (else
//     GT_INVALID_INPUT). A null pointer is allowed where the length is 0.
//   * Handles are immutable after creation: any number of threads may use one at once; free it exactly once, after
//     the last use. Freeing null does nothing.
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

#ifdef __cplusplus
}
#endif

// The fields that requests for chat completions and for completions have in common, one constant each: a table of
// fields lists them by name. openai_sampling.h reads those of sampling.
#pragma once

#include "api/fields.h"

namespace glimt::openai_fields {

using Use = ApiField::Use;

// clang-format off
inline constexpr ApiField kTemperature{"temperature", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 2})", "absent: the model's own, as with all numbers of sampling"};
inline constexpr ApiField kTopP{"top_p", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only the likeliest tokens that sum to this"};
inline constexpr ApiField kTopK{"top_k", Use::honoured, R"({"type": "integer", "minimum": 0})", "only so many of the likeliest tokens; an extension"};
inline constexpr ApiField kMinP{"min_p", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1})", "only tokens so likely relative to the best; an extension"};
inline constexpr ApiField kTypicalP{"typical_p", Use::honoured, R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1})", "locally typical sampling; an extension"};
inline constexpr ApiField kFrequencyPenalty{"frequency_penalty", Use::honoured, R"({"type": "number", "minimum": -2, "maximum": 2})", "for each time that a token was generated"};
inline constexpr ApiField kPresencePenalty{"presence_penalty", Use::honoured, R"({"type": "number", "minimum": -2, "maximum": 2})", "once for each token that was generated"};
inline constexpr ApiField kRepetitionPenalty{"repetition_penalty", Use::honoured, R"({"type": "number", "exclusiveMinimum": 0, "maximum": 1000})", "above 1: tokens of prompt and answer become less likely; an extension"};
inline constexpr ApiField kRepeatLastN{"repeat_last_n", Use::honoured, R"({"type": "integer", "minimum": -1})", "tokens that penalties look back on; absent or -1: all; an extension"};
inline constexpr ApiField kDryMultiplier{"dry_multiplier", Use::honoured, R"({"type": "number", "minimum": 0, "maximum": 1000})", "against repeated sequences (DRY); 0: off; an extension"};
inline constexpr ApiField kDryBase{"dry_base", Use::honoured, R"({"type": "number", "minimum": 1, "maximum": 1000})", "DRY: growth with the length of the repeat; an extension"};
inline constexpr ApiField kDryAllowedLength{"dry_allowed_length", Use::honoured, R"({"type": "integer", "minimum": 1})", "DRY: shorter repeats are free; an extension"};
inline constexpr ApiField kDryLastN{"dry_last_n", Use::honoured, R"({"type": "integer", "minimum": -1})", "DRY: tokens searched; -1: all; an extension"};
inline constexpr ApiField kDryBreakers{"dry_sequence_breakers", Use::honoured, R"({"type": "array", "maxItems": 32, "items": {"type": "string", "minLength": 1}})", "DRY: texts that no repeat crosses; absent: a line's end, ':', '\"' and '*'; an extension"};
inline constexpr ApiField kLogitBias{"logit_bias", Use::honoured, R"({"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}})", "added to the logits of tokens, by their decimal ids"};
inline constexpr ApiField kSeed{"seed", Use::honoured, R"({"type": "integer"})", "same seed, same text, in any company, while system_fingerprint is the same"};

inline constexpr ApiField kStreamOptionFields[] = {
    {"include_usage", Use::honoured, R"({"type": "boolean"})", "a last chunk with the numbers of tokens"},
    {"include_obfuscation", Use::carried, "{}", "no padding is sent"},
};
// clang-format on

}  // namespace glimt::openai_fields

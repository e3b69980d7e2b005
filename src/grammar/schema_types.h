// The JSON types that a schema admits. Written once, because what a grammar lets a model write as an argument and how
// the output parser reads it must agree.
#pragma once

#include "base/json.h"

namespace glimt {

// A set of bits.
using JsonTypes = unsigned;
inline constexpr JsonTypes kStringType = 1;
inline constexpr JsonTypes kIntegerType = 2;
inline constexpr JsonTypes kNumberType = 4;  // includes integers
inline constexpr JsonTypes kBooleanType = 8;
inline constexpr JsonTypes kNullType = 16;
inline constexpr JsonTypes kArrayType = 32;
inline constexpr JsonTypes kObjectType = 64;
inline constexpr JsonTypes kAnyType = 127;

// The type of one value: a number without a fraction is an integer.
JsonTypes type_of(const json::value& value);

// What `schema` admits; its references point into `root`. Understands type (also a list), nullable, enum, const, anyOf,
// oneOf, allOf and local $ref; whatever else a schema says restricts values, not types. A schema that contradicts
// itself, or that cannot be read, admits anything. Never throws.
JsonTypes types_of(const json::value& schema, const json::value& root);

}  // namespace glimt

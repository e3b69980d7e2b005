// The parts of an ECMA-262 pattern. Used by pattern.cpp alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct PatternNode;
using PatternSequence = std::vector<PatternNode>;
using PatternAlternatives = std::vector<PatternSequence>;

struct PatternNode {
  enum class Kind { atom, group, start, end };
  Kind kind = Kind::atom;
  std::string text;                  // of an atom: a character or a class, in Rust's syntax
  PatternAlternatives alternatives;  // of a group
  std::string repeat;                // "*", "{2,3}", …; mostly empty
};

// Throws invalid_request, "where: what", for wrong syntax and for what is not supported.
PatternAlternatives parse_pattern(std::string_view pattern, std::string_view where);

}  // namespace glimt

#include "grammar/pattern_parser.h"

#include "base/error.h"

#include <cstdint>
#include <optional>
#include <utility>

namespace glimt {
namespace {

constexpr int kMaxGroups = 64;  // in each other
constexpr unsigned kMaxRepeats = 100'000;

// The members of ECMA-262's classes, to be put between brackets.
constexpr std::string_view kDigits = "0-9";
constexpr std::string_view kWordCharacters = "0-9A-Za-z_";
constexpr std::string_view kSpaces =
    R"(\t\n\x{b}\x{c}\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff})";
constexpr std::string_view kNothing = R"([^\x{0}-\x{10ffff}])";

bool is_alphanumeric(char32_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string utf8(char32_t c) {
  std::string text;
  const auto push = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x800) {
    push(0xC0 | (c >> 6));
  } else if (c < 0x10000) {
    push(0xE0 | (c >> 12));
    push(0x80 | ((c >> 6) & 0x3F));
  } else {
    push(0xF0 | (c >> 18));
    push(0x80 | ((c >> 12) & 0x3F));
    push(0x80 | ((c >> 6) & 0x3F));
  }
  push(0x80 | (c & 0x3F));
  return text;
}

// One character in Rust's syntax, in and out of classes.
std::string character(char32_t c) {
  if (is_alphanumeric(c) || c == ' ' || c == '_' || c == '<' || c == '>') return {static_cast<char>(c)};
  if (c < 0x20 || c == 0x7F) return fmt::format("\\x{{{:x}}}", static_cast<std::uint32_t>(c));
  if (c < 0x80) return {'\\', static_cast<char>(c)};
  return utf8(c);
}

std::u32string decoded(std::string_view text, std::string_view where) {
  std::u32string result;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (i + length > text.size()) fail(ErrorKind::invalid_request, where, "not valid UTF-8");
    char32_t c = length == 1 ? lead : lead & (0x7F >> length);
    for (std::size_t k = 1; k < length; ++k) c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    result += c;
    i += length;
  }
  return result;
}

class Parser {
 public:
  Parser(std::u32string_view pattern, std::string_view where) : rest_(pattern), where_(where) {}

  PatternAlternatives parse() {
    PatternAlternatives result = alternatives(0);
    if (!rest_.empty()) refuse("there is a ')' without its '('");
    return result;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const { fail(ErrorKind::invalid_request, where_, "{}", what); }

  bool at(char32_t c) const { return !rest_.empty() && rest_.front() == c; }
  char32_t take() {
    if (rest_.empty()) refuse("the pattern ends too early");
    const char32_t c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  bool take_if(std::u32string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  PatternAlternatives alternatives(int depth) {
    if (depth > kMaxGroups) refuse(fmt::format("more than {} groups in each other", kMaxGroups));
    PatternAlternatives result(1);
    while (!rest_.empty() && !at(U')')) {
      if (take_if(U"|")) {
        result.emplace_back();
      } else {
        result.back().push_back(term(depth));
      }
    }
    return result;
  }

  PatternNode term(int depth) {
    PatternNode node;
    switch (const char32_t c = take()) {
      case '^': return {.kind = PatternNode::Kind::start, .text = {}, .alternatives = {}, .repeat = unrepeated()};
      case '$': return {.kind = PatternNode::Kind::end, .text = {}, .alternatives = {}, .repeat = unrepeated()};
      case '(': node = group(depth); break;
      case '[': node.text = character_class(); break;
      case '\\': node.text = escape(); break;
      case '.': node.text = R"([^\n\r\x{2028}\x{2029}])"; break;
      case '*':
      case '+':
      case '?': refuse(fmt::format("there is nothing that '{}' could repeat", static_cast<char>(c)));
      case '{': node.text = loose_brace(); break;
      default: node.text = character(c);
    }
    node.repeat = repeat();
    return node;
  }

  // An anchor cannot be repeated.
  std::string unrepeated() {
    if (!repeat().empty()) refuse("an anchor cannot be repeated");
    return {};
  }

  // "{" that opens no repetition. What other languages take for one would silently mean something else.
  std::string loose_brace() const {
    if (at(U',') || (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9')) {
      refuse("'{' must follow what it repeats, as {2}, {2,} or {0,2}; write \\{ for the character");
    }
    return "\\{";
  }

  PatternNode group(int depth) {
    if (take_if(U"?:")) return finish_group(depth);
    for (const std::u32string_view look : {U"?=", U"?!", U"?<=", U"?<!"}) {
      if (take_if(look)) refuse("look-around is not supported");
    }
    if (take_if(U"?<") || take_if(U"?P<")) {
      while (!take_if(U">")) take();
      return finish_group(depth);
    }
    if (at(U'?')) refuse("flags in a pattern are not supported");
    return finish_group(depth);
  }

  PatternNode finish_group(int depth) {
    PatternNode node{
        .kind = PatternNode::Kind::group, .text = {}, .alternatives = alternatives(depth + 1), .repeat = {}};
    if (!take_if(U")")) refuse("there is a '(' without its ')'");
    return node;
  }

  // A greedy repetition and a lazy one match the same texts.
  std::string repeat() {
    std::string result;
    if (at(U'*') || at(U'+') || at(U'?')) {
      result = static_cast<char>(take());
    } else if (at(U'{')) {
      result = counted_repeat();
    }
    if (result.empty()) return result;
    take_if(U"?");
    if (at(U'*') || at(U'+') || at(U'?')) refuse("two repetitions follow each other");
    return result;
  }

  std::string counted_repeat() {
    const std::u32string_view before = rest_;
    take_if(U"{");
    const std::optional<unsigned> low = number();
    std::optional<unsigned> high = low;
    const bool range = take_if(U",");
    if (range) high = number();
    if (!take_if(U"}") || (!low && !high)) {
      rest_ = before;  // a literal brace
      return {};
    }
    if (!low) refuse("{,n} is not of ECMA-262: write {0,n}");
    if (high && *high < *low) refuse(fmt::format("{{{},{}}} is empty", *low, *high));
    if (!range) return fmt::format("{{{}}}", *low);
    return high ? fmt::format("{{{},{}}}", *low, *high) : fmt::format("{{{},}}", *low);
  }

  std::optional<unsigned> number() {
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return std::nullopt;
    unsigned value = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = value * 10 + static_cast<unsigned>(take() - '0');
      if (value > kMaxRepeats) refuse(fmt::format("more than {} repetitions", kMaxRepeats));
    }
    return value;
  }

  // Behind a backslash, out of a class.
  std::string escape() {
    if (at(U'b') || at(U'B')) refuse("word boundaries (\\b, \\B) are not supported");
    if (at(U'k') || (!rest_.empty() && rest_.front() >= '1' && rest_.front() <= '9')) {
      refuse("back references are not supported");
    }
    if (const std::optional<std::string> set = class_escape()) return *set;
    return character(character_escape());
  }

  // \d, \p{…} and the like; nothing, and nothing is taken, for an escape of one character.
  std::optional<std::string> class_escape() {
    const auto set = [&](std::string_view members, bool inverted) {
      take();
      return fmt::format("[{}{}]", inverted ? "^" : "", members);
    };
    if (rest_.empty()) return std::nullopt;
    switch (rest_.front()) {
      case 'd': return set(kDigits, false);
      case 'D': return set(kDigits, true);
      case 'w': return set(kWordCharacters, false);
      case 'W': return set(kWordCharacters, true);
      case 's': return set(kSpaces, false);
      case 'S': return set(kSpaces, true);
      case 'p':
      case 'P': return property();
      default: return std::nullopt;
    }
  }

  std::string property() {
    std::string result = fmt::format("\\{}{{", static_cast<char>(take()));
    if (!take_if(U"{")) refuse("\\p must be followed by a property in braces: \\p{L}");
    while (!at(U'}')) {
      const char32_t c = take();
      if (!is_alphanumeric(c) && c != '_' && c != '=') refuse("\\p must hold the name of a property: \\p{L}");
      result += static_cast<char>(c);
    }
    take();
    return result + '}';
  }

  // The rest of an escape that means one character.
  char32_t character_escape() {
    switch (const char32_t c = take()) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'f': return '\f';
      case 'v': return '\v';
      case '0':
        if (number()) refuse("octal escapes are not of ECMA-262: write \\x00");
        return 0;
      case 'c': return control_letter();
      case 'x': return hex(2);
      case 'u': return unicode();
      default:
        if (is_alphanumeric(c)) {
          refuse(fmt::format("\\{} is not of ECMA-262{}", static_cast<char>(c),
                             c == 'A'               ? ": write ^"
                             : c == 'Z' || c == 'z' ? ": write $"
                                                    : ""));
        }
        return c;
    }
  }

  char32_t control_letter() {
    const char32_t c = take();
    if (!is_alphanumeric(c) || c <= '9') refuse("\\c must be followed by a letter");
    return c % 32;
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) value = value * 16 + hex_digit();
    return value;
  }

  char32_t hex_digit() {
    const char32_t c = take();
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    refuse("\\x must be followed by two and \\u by four hexadecimal digits");
  }

  // \u00e9, \u{1f642}, or two halves of a character beyond U+FFFF.
  char32_t unicode() {
    if (take_if(U"{")) {
      char32_t value = 0;
      while (!take_if(U"}")) {
        value = value * 16 + hex_digit();
        if (value > 0x10FFFF) refuse("\\u{…} is beyond U+10FFFF");
      }
      return valid(value);
    }
    const char32_t high = hex(4);
    if (high < 0xD800 || high > 0xDBFF || !take_if(U"\\u")) return valid(high);
    const char32_t low = hex(4);
    if (low < 0xDC00 || low > 0xDFFF) refuse("half of a surrogate pair matches no text");
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  char32_t valid(char32_t c) const {
    if (c >= 0xD800 && c <= 0xDFFF) refuse("half of a surrogate pair matches no text");
    return c;
  }

  // Behind the "[". Rust's classes nest and have operators (&&, --, ~~), so every character is escaped.
  std::string character_class() {
    const bool inverted = take_if(U"^");
    std::string members;
    while (!take_if(U"]")) members += class_range();
    if (members.empty()) return inverted ? "(?s:.)" : std::string(kNothing);
    return fmt::format("[{}{}]", inverted ? "^" : "", members);
  }

  // One member of a class, or two with a '-' between them.
  std::string class_range() {
    const auto [first, first_text] = class_member();
    const bool range = at(U'-') && rest_.size() > 1 && rest_[1] != ']';
    if (!range) return first_text;
    take();
    const auto [last, last_text] = class_member();
    if (!first || !last) return first_text + "\\-" + last_text;  // "\w-.", where '-' is itself
    if (*last < *first) refuse("a range of a class ends before it begins");
    return fmt::format("{}-{}", first_text, last_text);
  }

  // The character, nothing for a set of them, and how Rust writes it.
  std::pair<std::optional<char32_t>, std::string> class_member() {
    char32_t c = take();
    if (c == '\\') {
      if (const std::optional<std::string> set = class_escape()) return {std::nullopt, *set};
      c = take_if(U"b") ? '\b' : character_escape();
    }
    return {c, character(c)};
  }

  std::u32string_view rest_;
  std::string_view where_;
};

}  // namespace

PatternAlternatives parse_pattern(std::string_view pattern, std::string_view where) {
  const std::u32string characters = decoded(pattern, where);
  return Parser(characters, where).parse();
}

}  // namespace glimt

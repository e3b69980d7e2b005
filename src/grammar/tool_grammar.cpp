#include "grammar/tool_grammar.h"

#include "base/error.h"
#include "grammar/schema.h"
#include "grammar/schema_types.h"
#include "grammar/tool_declaration.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace glimt {
namespace {

constexpr int kMaxReferences = 32;  // in a row, and levels of anyOf
constexpr std::size_t kMaxTools = 512;
constexpr std::size_t kMaxLarkBytes = std::size_t{64} << 10;  // a long chain of rules is a deep recursion

// Terminals that every grammar of tools may use.
//   TEXT    what the output parser takes for one raw value: it ends at the first </arg_value>, also one that is spelled
//           with ordinary tokens
//   NUMBER  any number that a double holds: at most 17 digits on each side and exponents up to 99
constexpr std::string_view kTerminals = R"(TEXT: /(?s:.*)/ & ~/(?s:.*)<\/arg_value>(?s:.*)/
NUMBER: /-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?/
KEY: /[^<>\s]{1,64}/
)";

// llguidance 1.9.1 panics where it looks for forced text between a lexeme that can have no more bytes, but does not know
// it (an intersection of regexes), and a control token.
constexpr std::string_view kNoForcing = "\n%llguidance {\"no_forcing\": true}\n";

struct Format {
  std::string_view name;
  std::string_view pattern;
};

// Of raw strings. The formats of strings inside of JSON are llguidance's.
constexpr std::array kFormats = {
    Format{"date", ""},  // kDateRegex
    Format{"time", R"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))"},
    Format{"date-time",
           R"(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))"},
    Format{"email", R"([a-zA-Z0-9!#$%&'*+=?^_{|}~-]+(\.[a-zA-Z0-9!#$%&'*+=?^_{|}~-]+)*)"
                    R"(@[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+)"},
    Format{"hostname",
           R"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*)"},
    Format{"ipv4", R"(((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]))"},
    Format{"uuid", R"([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})"},
    Format{"uri", R"([a-zA-Z][a-zA-Z0-9+.-]*:(\/\/[a-zA-Z0-9._~-]+(:[0-9]{1,5})?)?(\/[a-zA-Z0-9._~!$&'()*+,;=:@%-]*)*)"
                  R"((\?[a-zA-Z0-9._~!$&'()*+,;=:@\/?-]*)?(\#[a-zA-Z0-9._~!$&'()*+,;=:@\/?-]*)?)"},
};

[[noreturn]] void refuse(std::string_view where, std::string_view what) {
  fail(ErrorKind::invalid_request, where, "{}", what);
}

// A Lark string: JSON's syntax, without raw control characters.
std::string lark_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string regex(std::string_view pattern) { return fmt::format("/{}/", pattern); }

// JSON Schema's pattern is found anywhere in a string, with \d and \w in ASCII; a Lark regex is the whole text between
// slashes. Anchors are understood at the two ends.
std::string whole_text_pattern(std::string_view pattern, std::string_view where) {
  std::string body;
  bool from_start = false;
  bool to_end = false;
  bool alternatives = false;
  int groups = 0;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      switch (next) {
        case 'd': body += "[0-9]"; break;
        case 'D': body += "[^0-9]"; break;
        case 'w': body += "[0-9a-zA-Z_]"; break;
        case 'W': body += "[^0-9a-zA-Z_]"; break;
        case 'b':
        case 'B': refuse(where, "word boundaries in a pattern are not supported"); break;
        default: body += {'\\', next};
      }
      continue;
    }
    if (in_class) {
      in_class = c != ']' || body.ends_with('[') || body.ends_with("[^");
    } else if (c == '[') {
      in_class = true;
    } else if (c == '(') {
      ++groups;
    } else if (c == ')') {
      --groups;
    } else if (c == '|' && groups == 0) {
      alternatives = true;
    } else if (c == '^' && i == 0) {
      from_start = true;
      continue;
    } else if (c == '$' && i + 1 == pattern.size()) {
      to_end = true;
      continue;
    } else if (c == '^' || c == '$') {
      refuse(where, "an anchor inside of a pattern is not supported");
    }
    if (c == '/') {
      body += "\\/";
    } else if (c == '\n') {
      body += "\\n";
    } else if (c == '\r') {
      body += "\\r";
    } else {
      body += c;
    }
  }
  if (alternatives && (from_start || to_end)) {
    refuse(where, "an anchor beside | is not supported: put the alternatives into a group");
  }
  return regex(fmt::format("{}({}){}", from_start ? "" : "(?s:.*)", body, to_end ? "" : "(?s:.*)"));
}

// One terminal that fits all of `parts`.
std::string all_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("({})", fmt::join(parts, " & "));
}

std::string any_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("({})", fmt::join(parts, " | "));
}

// Texts that the output parser takes for JSON of these types.
std::string reads_as(JsonTypes types) {
  constexpr std::string_view kSpace = "[ \\t\\n\\r]*";
  std::vector<std::string> parts;
  const auto whole = [&](std::string_view body) { parts.push_back(fmt::format("{}({}){}", kSpace, body, kSpace)); };
  if ((types & (kIntegerType | kNumberType)) != 0) whole(R"(-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
  if ((types & kBooleanType) != 0) whole("true|false");
  if ((types & kNullType) != 0) whole("null");
  if ((types & kArrayType) != 0) parts.push_back(fmt::format("{}\\[(?s:.*)", kSpace));
  if ((types & kObjectType) != 0) parts.push_back(fmt::format("{}\\{{(?s:.*)", kSpace));
  return regex(fmt::format("{}", fmt::join(parts, "|")));
}

json::array type_names(JsonTypes types) {
  json::array names;
  if ((types & kNumberType) != 0) {
    names.push_back("number");
  } else if ((types & kIntegerType) != 0) {
    names.push_back("integer");
  }
  if ((types & kBooleanType) != 0) names.push_back("boolean");
  if ((types & kNullType) != 0) names.push_back("null");
  if ((types & kArrayType) != 0) names.push_back("array");
  if ((types & kObjectType) != 0) names.push_back("object");
  return names;
}

// The raw strings that a schema admits, as an expression of terminals.
class RawStrings {
 public:
  RawStrings(const json::value& root, std::string_view where) : root_(root), where_(where) {}

  // Nothing if no string fits.
  std::optional<std::string> of(const json::value& schema, const std::string& path = "", int depth = 0) {
    if (depth > kMaxReferences || ++visited_ > 1000) refuse(at(path), "too many references or alternatives");
    if (const bool* all = schema.if_bool()) return *all ? std::optional<std::string>("TEXT") : std::nullopt;
    const json::object* fields = schema.if_object();
    if (fields == nullptr) refuse(at(path), "a schema must be an object or a boolean");
    std::vector<std::string> parts;
    for (const auto& [keyword, value] : *fields) {
      const std::string place = path + "/" + std::string(keyword);
      std::optional<std::string> part;
      if (keyword == "type") {
        if (!names_string(value)) return std::nullopt;
        continue;
      }
      if (keyword == "enum" || keyword == "const") {
        part = literals(keyword == "enum" ? value : json::value(json::array{value}), place);
      } else if (keyword == "anyOf" || keyword == "oneOf") {
        part = alternatives(value, place, keyword == "oneOf", depth);
      } else if (keyword == "allOf") {
        part = intersection(value, place, depth);
      } else if (keyword == "$ref") {
        part = of(resolve_reference(value, root_, where_, place),
                  std::string(std::string_view(value.get_string()).substr(1)), depth + 1);
      } else if (keyword == "pattern") {
        if (!value.is_string()) refuse(at(place), "must be a string");
        part = whole_text_pattern(value.get_string(), at(place));
      } else if (keyword == "format") {
        part = format(value, place);
      } else if (keyword == "minLength") {
        part = regex(fmt::format("(?s:.{{{},}})", length(value, place)));
      } else if (keyword == "maxLength") {
        part = regex(fmt::format("(?s:.{{0,{}}})", length(value, place)));
      } else {
        continue;
      }
      if (!part) return std::nullopt;
      if (*part != "TEXT") parts.push_back(std::move(*part));
    }
    return parts.empty() ? "TEXT" : all_of(parts);
  }

 private:
  std::string at(const std::string& path) const { return fmt::format("{}: {}", where_, path); }

  static bool names_string(const json::value& type) {
    if (const json::array* names = type.if_array()) {
      return std::find(names->begin(), names->end(), json::value("string")) != names->end();
    }
    return type == "string";
  }

  std::optional<std::string> literals(const json::value& values, const std::string& place) const {
    if (!values.is_array()) refuse(at(place), "must be an array");
    std::vector<std::string> parts;
    for (const json::value& value : values.get_array()) {
      if (!value.is_string()) continue;
      const std::string_view text = value.get_string();
      if (text.find("</arg_value>") != std::string_view::npos) {
        refuse(at(place), "a text with </arg_value> in it cannot be an argument");
      }
      parts.push_back(lark_string(text));
    }
    return parts.empty() ? std::nullopt : std::optional(any_of(parts));
  }

  std::optional<std::string> alternatives(const json::value& schemas, const std::string& place, bool only_one,
                                          int depth) {
    if (!schemas.is_array()) refuse(at(place), "must be an array");
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < schemas.get_array().size(); ++i) {
      auto part = of(schemas.get_array()[i], fmt::format("{}/{}", place, i), depth + 1);
      if (part) parts.push_back(std::move(*part));
    }
    const bool all_literal =
        std::all_of(parts.begin(), parts.end(), [](const std::string& part) { return part.starts_with('"'); });
    std::vector<std::string> sorted = parts;
    std::sort(sorted.begin(), sorted.end());
    const bool repeated = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
    if (only_one && parts.size() > 1 && (!all_literal || repeated)) {
      refuse(at(place), "oneOf is not supported where a text may fit two of its schemas: use anyOf");
    }
    return parts.empty() ? std::nullopt : std::optional(any_of(parts));
  }

  std::optional<std::string> intersection(const json::value& schemas, const std::string& place, int depth) {
    if (!schemas.is_array()) refuse(at(place), "must be an array");
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < schemas.get_array().size(); ++i) {
      auto part = of(schemas.get_array()[i], fmt::format("{}/{}", place, i), depth + 1);
      if (!part) return std::nullopt;
      if (*part != "TEXT") parts.push_back(std::move(*part));
    }
    return parts.empty() ? "TEXT" : all_of(parts);
  }

  std::string format(const json::value& value, const std::string& place) const {
    if (!value.is_string()) refuse(at(place), "must be a string");
    const auto* found = std::find_if(kFormats.begin(), kFormats.end(),
                                     [&](const Format& known) { return value.get_string() == known.name; });
    if (found == kFormats.end()) {
      refuse(at(place), fmt::format("format '{}' of an argument is not supported",
                                    std::string_view(value.get_string()).substr(0, 60)));
    }
    const bool dated = found->name.starts_with("date");
    return regex(fmt::format("{}{}", dated ? kDateRegex : "", found->pattern));
  }

  std::uint64_t length(const json::value& value, const std::string& place) const {
    json::error_code error;
    const auto number = value.to_number<std::uint64_t>(error);
    if (error || number > 100'000) refuse(at(place), "must be an integer from 0 to 100000");
    return number;
  }

  const json::value& root_;
  std::string where_;
  int visited_ = 0;
};

class ToolGrammar {
 public:
  explicit ToolGrammar(const GrammarEnvironment& environment) {
    const auto token = [&](std::string_view text) { return fmt::format("<[{}]>", environment.control(text)); };
    call_ = token("<tool_call>");
    call_end_ = token("</tool_call>");
    key_ = token("<arg_key>");
    key_end_ = token("</arg_key>");
    value_ = token("<arg_value>");
    value_end_ = token("</arg_value>");
  }

  void add(const ToolDeclaration& tool) {
    const json::value& parameters = tool.parameters;
    const std::string& in_parameters = tool.parameters_where;
    check_name(tool.name, tool.where, "name");
    std::string line = fmt::format("tool_{}: {}", tools_, lark_string(tool.name));
    const json::object& fields = object_of(parameters, parameters, in_parameters);
    const json::object none;
    const json::value* declared = fields.if_contains("properties");
    if (declared != nullptr && !declared->is_object()) refuse(in_parameters, "/properties: must be an object");
    const json::object& properties = declared == nullptr ? none : declared->get_object();
    const std::vector<std::string> required = required_names(fields, in_parameters);
    const json::value* others = fields.if_contains("additionalProperties");
    for (const auto& [key, schema] : properties) {
      const bool needed = std::find(required.begin(), required.end(), std::string_view(key)) != required.end();
      line += fmt::format(" {}{}", argument(key, schema, parameters, in_parameters), needed ? "" : "?");
    }
    for (const std::string& key : required) {
      if (properties.contains(key)) continue;
      line += ' ' + argument(key, others != nullptr ? *others : json::value(true), parameters, in_parameters);
    }
    const bool free_keys = properties.empty() && others != nullptr && *others != false;
    if (free_keys) {
      const std::string value = value_rule(*others, parameters, in_parameters + ": /additionalProperties");
      line += fmt::format(" ({} KEY {} {} {} {})*", key_, key_end_, value_, value, value_end_);
    }
    rules_ += line + '\n';
    ++tools_;
  }

  std::string finish(const ToolCallRules& rules) const {
    std::string choice;
    for (std::size_t i = 0; i < tools_; ++i) choice += fmt::format("{}tool_{}", i == 0 ? "" : " | ", i);
    return fmt::format("start: {}\ncalls: call{}\ncall: {} ({}) {}\n{}{}{}", start_of(rules), rules.parallel ? "+" : "",
                       call_, choice, call_end_, rules_, kTerminals,
                       has_patterns_ || !rules.required ? kNoForcing : "");
  }

 private:
  static std::string start_of(const ToolCallRules& rules) {
    if (rules.required) return "calls";
    if (!rules.answer) return "calls | ANY_TEXT calls?\nANY_TEXT: /(?s:.+)/";
    return fmt::format("calls | answer\nanswer: %json {}",
                       json::serialize(prepare_schema(*rules.answer, *rules.answer, "response_format")));
  }

  // The parser finds names and keys by the tags around them and trims names.
  static void check_name(std::string_view name, const std::string& where, std::string_view what) {
    const bool odd = name.empty() || name.size() > 256 || name.find('<') != std::string_view::npos ||
                     std::string_view(" \t\n\v\f\r").find(name.front()) != std::string_view::npos ||
                     std::string_view(" \t\n\v\f\r").find(name.back()) != std::string_view::npos;
    if (odd) refuse(where, fmt::format("the {} {} cannot be called", what, lark_string(name.substr(0, 60))));
  }

  // The object with the parameters: `schema`, or where its $ref leads.
  static const json::object& object_of(const json::value& schema, const json::value& root, const std::string& where) {
    const json::value* value = &schema;
    for (int i = 0; i < kMaxReferences; ++i) {
      const json::object* fields = value->if_object();
      if (fields == nullptr) refuse(where, "must be an object");
      const json::value* reference = fields->if_contains("$ref");
      if (reference == nullptr) {
        for (const std::string_view keyword :
             {"anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "enum", "const", "minProperties",
              "maxProperties", "dependentRequired", "dependentSchemas", "propertyNames"}) {
          if (fields->contains(keyword)) {
            refuse(where, fmt::format("keyword '{}' beside the properties is not supported", keyword));
          }
        }
        return *fields;
      }
      value = &resolve_reference(*reference, root, where, "/$ref");
    }
    refuse(where, "too many references");
  }

  static std::vector<std::string> required_names(const json::object& fields, const std::string& where) {
    std::vector<std::string> names;
    const json::value* required = fields.if_contains("required");
    if (required == nullptr) return names;
    if (!required->is_array()) refuse(where, "/required: must be an array");
    for (const json::value& name : required->get_array()) {
      if (!name.is_string()) refuse(where, "/required: must be strings");
      if (std::find(names.begin(), names.end(), std::string_view(name.get_string())) == names.end()) {
        names.emplace_back(name.get_string());
      }
    }
    return names;
  }

  // <arg_key>key</arg_key><arg_value>…</arg_value>
  std::string argument(std::string_view key, const json::value& schema, const json::value& root,
                       const std::string& where) {
    check_name(key, where, "parameter");
    const std::string value = value_rule(schema, root, fmt::format("{}: /properties/{}", where, key));
    std::string name = fmt::format("arg_{}", arguments_++);
    rules_ += fmt::format("{}: {} {} {} {} {} {}\n", name, key_, lark_string(key), key_end_, value_, value, value_end_);
    return name;
  }

  // The name of a rule for values of a schema.
  std::string value_rule(const json::value& schema, const json::value& root, const std::string& where) {
    if (const json::object* fields = schema.if_object()) {
      const json::value* nullable = fields->if_contains("nullable");
      if (nullable != nullptr && *nullable == true) {
        json::object inner = *fields;
        inner.erase("nullable");
        return value_rule(json::object{{"anyOf", {std::move(inner), {{"type", "null"}}}}}, root, where);
      }
    }
    const json::value checked = prepare_schema(schema, root, where);  // refuses what has no meaning here either
    const JsonTypes types = types_of(schema, root);
    const JsonTypes other = types & ~kStringType;
    std::optional<std::string> text;
    if ((types & kStringType) != 0) text = RawStrings(root, where).of(schema);
    const bool unrestricted = checked.get_object().size() == 1;  // x-guidance alone
    std::string alternatives;
    if (text && (other == 0 || unrestricted)) {
      alternatives = text_terminal(*text);
    } else if (!text && is_plain_number(schema)) {
      alternatives = "NUMBER";
    } else if (!text) {
      alternatives = "%json " + json::serialize(checked);
    } else {
      const json::object narrowed{{"allOf", {schema, {{"type", type_names(other)}}}}};
      alternatives = fmt::format("{} | %json {}", text_terminal(fmt::format("{} & ~{}", *text, reads_as(other))),
                                 json::serialize(prepare_schema(narrowed, root, where)));
    }
    std::string name = fmt::format("value_{}", values_++);
    rules_ += fmt::format("{}: {}\n", name, alternatives);
    return name;
  }

  std::string text_terminal(const std::string& expression) {
    if (expression == "TEXT") return expression;
    if (expression.find('/') != std::string::npos) has_patterns_ = true;
    std::string name = fmt::format("TEXT_{}", values_);
    rules_ += fmt::format("{}: TEXT & {}\n", name, expression);
    return name;
  }

  static bool is_plain_number(const json::value& schema) {
    static constexpr std::array kSaysMore = {"enum",
                                             "const",
                                             "anyOf",
                                             "oneOf",
                                             "allOf",
                                             "minimum",
                                             "maximum",
                                             "$ref",
                                             "exclusiveMinimum",
                                             "exclusiveMaximum",
                                             "multipleOf"};
    const json::object* fields = schema.if_object();
    const json::value* type = fields == nullptr ? nullptr : fields->if_contains("type");
    return type != nullptr && *type == "number" &&
           std::none_of(kSaysMore.begin(), kSaysMore.end(), [&](const char* name) { return fields->contains(name); });
  }

  std::string call_, call_end_, key_, key_end_, value_, value_end_;
  std::string rules_;
  bool has_patterns_ = false;
  std::size_t tools_ = 0;
  std::size_t arguments_ = 0;
  std::size_t values_ = 0;
};

}  // namespace

std::string tool_call_grammar(const GrammarEnvironment& environment, const json::array& tools,
                              const ToolCallRules& rules) {
  if (tools.size() > kMaxTools) refuse("tools", fmt::format("{} tools, at most {} wanted", tools.size(), kMaxTools));
  ToolGrammar grammar(environment);
  if (tools.empty()) refuse("tools", "none given");
  const std::vector<ToolDeclaration> declared = tool_declarations(tools);
  for (const std::string& name : rules.allowed) {
    const bool known =
        std::any_of(declared.begin(), declared.end(), [&](const auto& tool) { return tool.name == name; });
    if (!known) refuse("tools", fmt::format("no tool is called '{}'", std::string_view(name).substr(0, 60)));
  }
  for (const ToolDeclaration& tool : declared) {
    const auto& names = rules.allowed;
    if (names.empty() || std::find(names.begin(), names.end(), tool.name) != names.end()) grammar.add(tool);
  }
  return grammar.finish(rules);
}

std::string checked_lark(std::string_view source) {
  if (source.size() > kMaxLarkBytes) {
    fail(ErrorKind::invalid_request, "lark", "{} bytes long, at most {} wanted", source.size(), kMaxLarkBytes);
  }
  return fmt::format("{}{}", source, source.find('<') == std::string_view::npos ? "" : kNoForcing);
}

}  // namespace glimt

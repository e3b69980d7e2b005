#include "grammar/tool_grammar.h"

#include "base/error.h"
#include "grammar/raw_strings.h"
#include "grammar/schema.h"
#include "grammar/schema_keywords.h"
#include "grammar/schema_types.h"
#include "grammar/schema_values.h"
#include "grammar/tool_declaration.h"
#include "text/glm_tags.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace glimt {
namespace {

constexpr int kMaxReferences = 32;  // in a row, and levels of anyOf
constexpr std::size_t kMaxTools = 512;
constexpr std::size_t kMaxToolParts = 20'000;  // of the schemas of all tools
constexpr std::size_t kMaxToolBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxLarkBytes = std::size_t{64} << 10;  // a long chain of rules is a deep recursion

// Terminals that every grammar of tools may use.
//   TEXT    what the output parser takes for one raw value: it ends at the first </arg_value>, also one that is spelled
//           with ordinary tokens
//   NUMBER  any number that a double holds: at most 17 digits on each side and exponents up to 99
constexpr std::string_view kTerminals = R"(TEXT: /(?s:.*)/ & ~/(?s:.*)<\/arg_value>(?s:.*)/
NUMBER: /-?(0|[1-9][0-9]{0,16})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?/
KEY: /[^<>\s]{1,64}/
)";

// llguidance 1.9.1 panics where it looks for forced text between a lexeme that can have no more bytes, but does not
// know it (an intersection of regexes), and a control token.
constexpr std::string_view kNoForcing = "\n%llguidance {\"no_forcing\": true}\n";

[[noreturn]] void refuse(std::string_view where, std::string_view what) {
  fail(ErrorKind::invalid_request, where, "{}", what);
}

std::string regex(std::string_view pattern) { return fmt::format("/{}/", pattern); }

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

class ToolGrammar {
 public:
  explicit ToolGrammar(const GrammarEnvironment& environment) {
    const auto token = [&](GlmTag tag) { return fmt::format("<[{}]>", environment.control(text_of(tag))); };
    call_ = token(GlmTag::call);
    call_end_ = token(GlmTag::call_end);
    key_ = token(GlmTag::key);
    key_end_ = token(GlmTag::key_end);
    value_ = token(GlmTag::value);
    value_end_ = token(GlmTag::value_end);
  }

  void add(const ToolDeclaration& tool) {
    check_name(tool.name, tool.where, "name");
    const SchemaDocument document(tool.parameters, tool.parameters_where);
    const Parameters parameters{document, tool.parameters_where};
    rules_of_schemas_.clear();  // their references lead into another document
    const json::object& fields = object_of(parameters);
    const json::object none;
    const json::value* declared = fields.if_contains("properties");
    const json::object& properties = declared == nullptr ? none : declared->get_object();
    const std::vector<std::string> required = required_names(fields, parameters.where);
    const json::value* others = fields.if_contains("additionalProperties");
    std::string line = fmt::format("tool_{}: {}", tools_++, lark_string(tool.name));
    for (const auto& [key, schema] : properties) {
      const bool needed = std::find(required.begin(), required.end(), std::string_view(key)) != required.end();
      if (!needed && says_never(schema)) continue;
      line += fmt::format(" {}{}", argument(key, schema, parameters), needed ? "" : "?");
    }
    for (const std::string& key : required) {
      if (!properties.contains(key)) line += ' ' + argument(key, others ? *others : json::value(true), parameters);
    }
    if (properties.empty() && others != nullptr && !says_never(*others)) {
      const std::string value = value_rule(*others, parameters, parameters.where + ": /additionalProperties");
      line += fmt::format(" ({} KEY {} {} {} {})*", key_, key_end_, value_, value, value_end_);
    }
    append(line, parameters.where);
  }

  ToolCallGrammar finish(const ToolCallRules& rules) const {
    std::string choice;
    for (std::size_t i = 0; i < tools_; ++i) choice += fmt::format("{}tool_{}", i == 0 ? "" : " | ", i);
    const std::string head = fmt::format("call: {} ({}) {}\ncalls: call{}\nstart: {}\n", call_, choice, call_end_,
                                         rules.parallel ? "+" : "", start_of(rules));
    std::vector<std::string> places(static_cast<std::size_t>(std::count(head.begin(), head.end(), '\n')));
    if (rules.answer) places.back() = "response_format";
    places.insert(places.end(), places_.begin(), places_.end());
    const bool forcing = !has_patterns_ && rules.required;
    return {fmt::format("{}{}{}{}", head, rules_, kTerminals, forcing ? "" : kNoForcing), std::move(places)};
  }

 private:
  // The schema of one tool's arguments.
  struct Parameters {
    const SchemaDocument& document;
    std::string where;
  };

  static std::string start_of(const ToolCallRules& rules) {
    if (rules.required) return "calls";
    if (!rules.answer) return "calls | ANY_TEXT calls?\nANY_TEXT: /(?s:.+)/";
    return fmt::format("calls | answer\nanswer: %json {}", dump_json(prepare_schema(*rules.answer, "response_format")));
  }

  // The parser finds names and keys by the tags around them and trims names.
  static void check_name(std::string_view name, const std::string& where, std::string_view what) {
    const bool odd = name.empty() || name.size() > 256 || name.find('<') != std::string_view::npos ||
                     std::string_view(" \t\n\v\f\r").find(name.front()) != std::string_view::npos ||
                     std::string_view(" \t\n\v\f\r").find(name.back()) != std::string_view::npos;
    if (odd) refuse(where, fmt::format("the {} {} cannot be called", what, lark_string(name.substr(0, 60))));
  }

  // The object with the parameters: the schema itself, or where its $ref leads.
  static const json::object& object_of(const Parameters& parameters) {
    const json::value* value = &parameters.document.root;
    for (int i = 0; i < kMaxReferences; ++i) {
      const json::object* fields = value->if_object();
      if (fields == nullptr) refuse(parameters.where, "must be an object");
      const json::value* reference = fields->if_contains("$ref");
      if (reference == nullptr) {
        check_keywords(*fields, parameters.where);
        return *fields;
      }
      value = &resolve_reference(*reference, parameters.document.root, parameters.where, "/$ref");
    }
    refuse(parameters.where, "too many references");
  }

  // Arguments are written one by one, so what binds them together cannot be enforced.
  static void check_keywords(const json::object& fields, const std::string& where) {
    static constexpr std::array<std::string_view, 8> kRefused = {
        "anyOf", "oneOf", "allOf", "enum", "const", "patternProperties", "minProperties", "maxProperties"};
    for (const auto& [name, value] : fields) {
      const Keyword* keyword = find_keyword(name);
      const bool condition =
          keyword != nullptr && keyword->holds == Holds::condition && !says_nothing(name, value, fields);
      const bool refused = std::find(kRefused.begin(), kRefused.end(), std::string_view(name)) != kRefused.end();
      if (condition || refused) {
        refuse(where,
               fmt::format("keyword '{}' beside the properties is not supported: leave it out, or put the object "
                           "with it into one property",
                           std::string_view(name)));
      }
    }
    if (!may_be(fields, "object")) refuse(where, "/type: must be object");
    const json::value* properties = fields.if_contains("properties");
    if (properties == nullptr) return;
    if (!properties->is_object()) refuse(where, "/properties: must be an object");
    if (properties->get_object().size() > kMaxProperties) {
      refuse(where, fmt::format("/properties: {} entries, at most {} wanted", properties->get_object().size(),
                                kMaxProperties));
    }
  }

  static std::vector<std::string> required_names(const json::object& fields, const std::string& where) {
    std::vector<std::string> names;
    const json::value* required = fields.if_contains("required");
    if (required == nullptr) return names;
    if (!required->is_array()) refuse(where, "/required: must be an array");
    for (const json::value& name : required->get_array()) {
      if (!name.is_string()) refuse(where, "/required: must be strings");
      if (names.size() > kMaxProperties) refuse(where, "/required: too many names");
      if (std::find(names.begin(), names.end(), std::string_view(name.get_string())) == names.end()) {
        names.emplace_back(name.get_string());
      }
    }
    return names;
  }

  // <arg_key>key</arg_key><arg_value>…</arg_value>
  std::string argument(std::string_view key, const json::value& schema, const Parameters& parameters) {
    check_name(key, parameters.where, "parameter");
    const std::string value = value_rule(schema, parameters, fmt::format("{}: /properties/{}", parameters.where, key));
    std::string name = fmt::format("arg_{}", arguments_++);
    append(fmt::format("{}: {} {} {} {} {} {}", name, key_, lark_string(key), key_end_, value_, value, value_end_),
           parameters.where);
    return name;
  }

  // The name of a rule for values of a schema. Equal schemas of one tool are looked at once.
  std::string value_rule(const json::value& schema, const Parameters& parameters, const std::string& where) {
    const auto [known, is_new] = rules_of_schemas_.try_emplace(dump_json(schema), "");
    if (is_new) known->second = rule_of(value_alternatives(schema, parameters.document, where), where);
    return known->second;
  }

  std::string value_alternatives(const json::value& schema, const SchemaDocument& document, const std::string& where) {
    if (const json::object* fields = schema.if_object()) {
      const json::value* nullable = fields->if_contains("nullable");
      if (nullable != nullptr && *nullable == true) {
        json::object inner = *fields;
        inner.erase("nullable");
        return value_alternatives(json::object{{"anyOf", {std::move(inner), {{"type", "null"}}}}}, document, where);
      }
    }
    const json::value checked = prepare_schema(schema, document, budget_, where);  // refuses what has no meaning here
    const JsonTypes types = types_of(schema, document.root);
    const JsonTypes other = types & ~kStringType;
    std::optional<std::string> text;
    if ((types & kStringType) != 0) text = raw_strings(schema, document, budget_, where);
    const bool unrestricted = checked.get_object().size() == 1;  // x-guidance alone
    if (text && (other == 0 || unrestricted)) return text_terminal(*text, where);
    if (!text) return is_plain_number(schema) ? "NUMBER" : "%json " + dump_json(checked);
    const json::object narrowed{{"allOf", {schema, {{"type", type_names(other)}}}}};
    return fmt::format("{} | %json {}", text_terminal(fmt::format("{} & ~{}", *text, reads_as(other)), where),
                       dump_json(prepare_schema(narrowed, document, budget_, where)));
  }

  // A rule with this body: one for all tools.
  std::string rule_of(const std::string& body, const std::string& where) {
    const auto [known, is_new] = rules_of_bodies_.try_emplace(body, fmt::format("value_{}", rules_of_bodies_.size()));
    if (is_new) append(fmt::format("{}: {}", known->second, body), where);
    return known->second;
  }

  std::string text_terminal(const std::string& expression, const std::string& where) {
    if (expression == kTextTerminal) return expression;
    if (expression.find('/') != std::string::npos) has_patterns_ = true;
    const auto [known, is_new] = terminals_.try_emplace(expression, fmt::format("TEXT_{}", terminals_.size()));
    if (is_new) append(fmt::format("{}: TEXT & {}", known->second, expression), where);
    return known->second;
  }

  void append(const std::string& line, const std::string& where) {
    if (rules_.size() + line.size() > kMaxToolBytes) {
      refuse(where, fmt::format("the grammar of the tools has more than {} bytes: give fewer or simpler tools",
                                kMaxToolBytes));
    }
    rules_ += line + '\n';
    places_.push_back(where);
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
  std::vector<std::string> places_;  // of each line of the rules
  SchemaBudget budget_{kMaxToolParts, kMaxToolBytes, "the schemas of all tools have"};
  std::map<std::string, std::string> rules_of_schemas_;  // of the tool that is being added: a schema to its rule
  std::map<std::string, std::string> rules_of_bodies_;
  std::map<std::string, std::string> terminals_;  // expressions to names
  bool has_patterns_ = false;
  std::size_t tools_ = 0;
  std::size_t arguments_ = 0;
};

}  // namespace

ToolCallGrammar tool_call_grammar(const GrammarEnvironment& environment, const json::array& tools,
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

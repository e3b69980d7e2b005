#include "grammar/raw_strings.h"

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/pattern.h"
#include "grammar/schema_keywords.h"
#include "grammar/schema_values.h"
#include "text/glm_tags.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace glimt {
namespace {

constexpr int kMaxDepth = 32;  // references in a row, and levels of anyOf
constexpr double kMaxLength = 100'000;

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

[[noreturn]] void refuse(std::string_view where, std::string_view what) {
  fail(ErrorKind::invalid_request, where, "{}", what);
}

std::string terminal(std::string_view regex) { return fmt::format("/{}/", regex); }

// One terminal that fits all of `parts`.
std::string all_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("({})", fmt::join(parts, " & "));
}

std::string any_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("({})", fmt::join(parts, " | "));
}

class RawStrings {
 public:
  RawStrings(const SchemaDocument& document, SchemaBudget& budget, std::string_view where)
      : document_(document), budget_(budget), where_(where) {}

  // Nothing if no string fits.
  std::optional<std::string> of(const json::value& schema, const std::string& path = "", int depth = 0) {
    if (depth > kMaxDepth) refuse(at(path), "too many references or alternatives in each other");
    budget_.spend_part(where_, path);
    if (says_never(schema)) return std::nullopt;
    if (schema.is_bool()) return std::string(kTextTerminal);
    const json::object* fields = schema.if_object();
    if (fields == nullptr) refuse(at(path), "a schema must be an object or a boolean");
    std::vector<std::string> parts;
    for (const auto& [keyword, value] : *fields) {
      if (keyword == "type" && !may_be(*fields, "string")) return std::nullopt;
      const std::string place = fmt::format("{}/{}", path, std::string_view(keyword));
      std::optional<std::string> part = of_keyword(keyword, value, place, depth);
      if (!part) return std::nullopt;
      budget_.spend_bytes(part->size(), where_, place);
      if (*part != kTextTerminal) parts.push_back(std::move(*part));
    }
    return parts.empty() ? std::string(kTextTerminal) : all_of(parts);
  }

 private:
  std::string at(const std::string& path) const { return fmt::format("{}: {}", where_, path); }

  // What one keyword admits; any text for those that are not about strings.
  std::optional<std::string> of_keyword(std::string_view keyword, const json::value& value, const std::string& place,
                                        int depth) {
    if (keyword == "enum") return literals(value, place);
    if (keyword == "const") return literals(json::array{value}, place);
    if (keyword == "anyOf" || keyword == "oneOf") return alternatives(value, place, keyword == "oneOf", depth);
    if (keyword == "allOf") return intersection(value, place, depth);
    if (keyword == "$ref") {
      const json::value& target = resolve_reference(value, document_.root, where_, place);
      return of(target, std::string(view(value.get_string()).substr(1)), depth + 1);
    }
    if (keyword == "pattern") {
      if (!value.is_string()) refuse(at(place), "must be a string");
      return terminal(whole_text_regex(view(value.get_string()), at(place)));
    }
    if (keyword == "format") return format(value, place);
    if (keyword == "contentEncoding" && value == "base64") return terminal(find_format("base64")->regex);
    if (keyword == "minLength") return terminal(fmt::format("(?s:.{{{},}})", length(value, place)));
    if (keyword == "maxLength") return terminal(fmt::format("(?s:.{{0,{}}})", length(value, place)));
    return std::string(kTextTerminal);
  }

  std::optional<std::string> literals(const json::value& values, const std::string& place) const {
    if (!values.is_array()) refuse(at(place), "must be an array");
    std::vector<std::string> parts;
    for (const json::value& value : values.get_array()) {
      if (!is_text(value)) continue;
      const std::string_view text = view(value.get_string());
      budget_.spend_bytes(text.size(), where_, place);
      if (text.find(text_of(GlmTag::value_end)) != std::string_view::npos) {
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
      if (*part != kTextTerminal) parts.push_back(std::move(*part));
    }
    return parts.empty() ? std::string(kTextTerminal) : all_of(parts);
  }

  std::string format(const json::value& value, const std::string& place) const {
    if (!value.is_string()) refuse(at(place), "must be a string");
    const std::string_view name = view(value.get_string());
    if (says_nothing_about_text(name)) return std::string(kTextTerminal);
    const StringFormat* found = find_format(name);
    if (found == nullptr) {
      refuse(at(place),
             fmt::format("format '{}' is not supported: leave it out, or give a pattern", name.substr(0, 60)));
    }
    if (found->max_length == 0) return terminal(found->regex);
    return all_of({terminal(found->regex), terminal(fmt::format("(?s:.{{0,{}}})", found->max_length))});
  }

  std::uint64_t length(const json::value& value, const std::string& place) const {
    const double number = value.is_number() ? value.to_number<double>() : -1;
    if (number < 0 || number > kMaxLength || number != std::floor(number)) {
      refuse(at(place),
             fmt::format("must be an integer from 0 to {}, got {}", kMaxLength, dump_json(value).substr(0, 60)));
    }
    return static_cast<std::uint64_t>(number);
  }

  const SchemaDocument& document_;
  SchemaBudget& budget_;
  std::string_view where_;
};

}  // namespace

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

std::optional<std::string> raw_strings(const json::value& schema, const SchemaDocument& document, SchemaBudget& budget,
                                       std::string_view where) {
  return RawStrings(document, budget, where).of(schema);
}

}  // namespace glimt

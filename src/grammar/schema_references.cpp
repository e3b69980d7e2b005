#include "grammar/schema_references.h"

#include "base/error.h"
#include "grammar/schema_keywords.h"

#include <array>
#include <map>
#include <optional>

namespace glimt {
namespace {

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// "%24defs" as in a URI.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        decoded += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    decoded += text[i];
  }
  return decoded;
}

std::string percent_encoded(std::string_view pointer) {
  std::string encoded;
  for (const char c : pointer) encoded += c == '%' ? std::string("%25") : std::string(1, c);
  return encoded;
}

// ---- URIs, as far as RFC 3986's section 5.2 matters for schemas ----

bool has_scheme(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  return colon != std::string_view::npos && colon > 0 && uri.find_first_of("/?#") > colon;
}

std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> parts;
  bool open = false;  // ends in a folder
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    open = part == "." || part == "..";
    if (part == ".." && parts.size() > 1) parts.pop_back();
    if (!open) parts.push_back(part);
    at = end + 1;
  }
  return fmt::format("{}{}", fmt::join(parts, "/"), open ? "/" : "");
}

// `reference` without a fragment, as seen from `base`.
std::string resolved_uri(std::string_view base, std::string_view reference) {
  if (reference.empty()) return std::string(base);
  if (has_scheme(reference) || base.empty()) return std::string(reference);
  const std::size_t scheme_end = has_scheme(base) ? base.find(':') + 1 : 0;
  if (reference.starts_with("//")) return fmt::format("{}{}", base.substr(0, scheme_end), reference);
  std::size_t path_at = scheme_end;
  if (base.substr(scheme_end).starts_with("//")) path_at = std::min(base.find('/', scheme_end + 2), base.size());
  const std::string_view path = base.substr(path_at, base.find('?', path_at) - path_at);
  const std::size_t slash = path.rfind('/');
  const std::string_view folder = reference.starts_with('/')        ? std::string_view()
                                  : slash == std::string_view::npos ? (path_at > scheme_end ? "/" : "")
                                                                    : path.substr(0, slash + 1);
  return fmt::format("{}{}", base.substr(0, path_at), without_dot_segments(fmt::format("{}{}", folder, reference)));
}

struct Uri {
  std::string_view address;
  std::string_view fragment;  // behind '#'
};

Uri split(std::string_view uri) {
  const std::size_t hash = uri.find('#');
  if (hash == std::string_view::npos) return {uri, {}};
  return {uri.substr(0, hash), uri.substr(hash + 1)};
}

// ---- the index ----

class LocalReferences {
 public:
  LocalReferences(const json::value& root, SchemaDraft draft) : draft_(draft) {
    places_[""] = "";
    collect(root, "", "", 0);
  }

  json::value rewritten(const json::value& schema, const std::string& base, int depth) const {
    const json::object* fields = schema.if_object();
    if (fields == nullptr || depth > kMaxSchemaDepth) return schema;
    const std::string here = base_of(*fields, base);
    const bool alone = draft_ <= SchemaDraft::draft7 && fields->contains("$ref");
    json::object result;
    for (const auto& [name, value] : *fields) {
      const Keyword* keyword = find_keyword(name);
      if (is_identity(name) && value.is_string()) continue;
      if (alone && keyword != nullptr && name != "$ref") continue;
      if (name == "$ref" && value.is_string()) {
        result[name] = local(view(value.get_string()), here);
      } else {
        result[name] = map_subschemas(name, value, [&](const json::value& inner, const std::string&) {
          return rewritten(inner, here, depth + 1);
        });
      }
    }
    return result;
  }

 private:
  std::string_view id_keyword() const { return draft_ == SchemaDraft::draft4 ? "id" : "$id"; }

  bool is_identity(std::string_view name) const {
    return name == id_keyword() || name == "$anchor" || name == "$dynamicAnchor";
  }

  // The $id of a schema; drafts 4 to 7 ignore one beside a $ref.
  std::optional<std::string_view> id_of(const json::object& fields) const {
    const json::value* id = fields.if_contains(id_keyword());
    if (id == nullptr || !id->is_string()) return std::nullopt;
    if (draft_ <= SchemaDraft::draft7 && fields.contains("$ref")) return std::nullopt;
    return view(id->get_string());
  }

  std::string base_of(const json::object& fields, const std::string& base) const {
    const std::optional<std::string_view> id = id_of(fields);
    return id ? resolved_uri(base, split(*id).address) : base;
  }

  void collect(const json::value& schema, const std::string& pointer, const std::string& base, int depth) {
    const json::object* fields = schema.if_object();
    if (fields == nullptr || depth > kMaxSchemaDepth) return;
    const std::string here = base_of(*fields, base);
    if (const std::optional<std::string_view> id = id_of(*fields)) {
      const Uri uri = split(*id);
      if (!uri.address.empty()) places_.try_emplace(here, pointer);
      if (!uri.fragment.empty()) places_.try_emplace(fmt::format("{}#{}", here, uri.fragment), pointer);
    }
    for (const char* name : {"$anchor", "$dynamicAnchor"}) {
      const json::value* anchor = fields->if_contains(name);
      if (anchor == nullptr || !anchor->is_string()) continue;
      places_.try_emplace(fmt::format("{}#{}", here, view(anchor->get_string())), pointer);
    }
    for (const auto& [name, value] : *fields) {
      map_subschemas(name, value, [&](const json::value& inner, const std::string& below) -> json::value {
        collect(inner, pointer + below, here, depth + 1);
        return {};
      });
    }
  }

  json::string local(std::string_view reference, const std::string& base) const {
    const Uri uri = split(reference);
    const std::string address = resolved_uri(base, uri.address);
    const bool is_pointer = uri.fragment.empty() || uri.fragment.starts_with('/');
    const auto found =
        places_.find(is_pointer ? address : fmt::format("{}#{}", address, percent_decoded(uri.fragment)));
    if (found == places_.end()) return json::string(json::string_view(reference.data(), reference.size()));
    return json::string(fmt::format("#{}{}", percent_encoded(found->second), is_pointer ? uri.fragment : ""));
  }

  SchemaDraft draft_;
  std::map<std::string, std::string, std::less<>> places_;  // address, or address#anchor, to a pointer from the root
};

[[noreturn]] void refuse(std::string_view where, std::string_view path, std::string_view what) {
  fail(ErrorKind::invalid_request, where, "{}: {}", path.substr(0, 200), what);
}

}  // namespace

SchemaDraft draft_of(const json::value& schema, std::string_view where) {
  const json::object* fields = schema.if_object();
  const json::value* dialect = fields == nullptr ? nullptr : fields->if_contains("$schema");
  if (dialect == nullptr || !dialect->is_string()) return SchemaDraft::draft2020;
  const std::string_view text = view(dialect->get_string());
  constexpr std::array<std::pair<std::string_view, SchemaDraft>, 4> kDrafts = {{
      {"/draft-04/", SchemaDraft::draft4},
      {"/draft-06/", SchemaDraft::draft6},
      {"/draft-07/", SchemaDraft::draft7},
      {"/draft/2019-09/", SchemaDraft::draft2019},
  }};
  for (const auto& [part, draft] : kDrafts) {
    if (text.find(part) != std::string_view::npos) return draft;
  }
  for (const std::string_view old : {"/draft-00/", "/draft-01/", "/draft-02/", "/draft-03/"}) {
    if (text.find(old) == std::string_view::npos) continue;
    refuse(where, "/$schema",
           fmt::format("'{}' is too old: write the schema for draft 4 or later", text.substr(0, 60)));
  }
  return SchemaDraft::draft2020;
}

json::value with_local_references(const json::value& schema, std::string_view where) {
  return LocalReferences(schema, draft_of(schema, where)).rewritten(schema, "", 0);
}

const json::value& resolve_reference(const json::value& reference, const json::value& root, std::string_view where,
                                     std::string_view path) {
  if (!reference.is_string()) refuse(where, path, "must be a string");
  const std::string_view text = view(reference.get_string());
  const auto shown = text.substr(0, 100);
  if (!text.starts_with('#') || (text.size() > 1 && text[1] != '/')) {
    refuse(where, path,
           fmt::format("'{}' is not supported: only references within the schema are ('#/$defs/…', or a $id or $anchor "
                       "of a part of it)",
                       shown));
  }
  const std::string pointer = percent_decoded(text.substr(1));
  json::error_code error;
  const json::value* target = root.find_pointer(pointer, error);
  if (target == nullptr) refuse(where, path, fmt::format("'{}' leads nowhere", shown));
  return *target;
}

std::string pointer_part(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace glimt

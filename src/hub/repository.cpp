#include "hub/repository.h"

#include "base/json.h"

#include <algorithm>
#include <limits>
#include <set>

namespace glimt {
namespace {

constexpr int kMostPages = 200;
constexpr std::size_t kMostFiles = 200000;
constexpr std::int64_t kMostFileBytes = std::int64_t{1} << 50;
constexpr std::string_view kModelScope = "modelscope:";
constexpr std::size_t kShownBytes = 300;  // of what a hub says

json::value parse_answer(const std::string& content, const std::string& where) {
  try {
    return parse_json(content, where);
  } catch (const Error&) {
    fail(ErrorKind::bad_file, where,
         "the answer is no JSON; is there a login page or a proxy between here and the hub?");
  }
}

// A listing is not trusted: what is pulled lies in one folder.
void check_path(const std::string& path, const std::string& where) {
  std::size_t from = 0;
  while (from <= path.size()) {
    const std::size_t end = std::min(path.find('/', from), path.size());
    const std::string_view part = std::string_view(path).substr(from, end - from);
    if (part.empty() || part == "." || part == ".." || part.find('\\') != std::string_view::npos ||
        part.find('\0') != std::string_view::npos) {
      fail(ErrorKind::bad_file, where, "the hub lists a path that leaves the folder: '{}'",
           path.substr(0, kShownBytes));
    }
    from = end + 1;
  }
}

std::string lower_hex(std::string text, std::size_t digits, const std::string& where, const std::string& path) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (text.size() != digits || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    fail(ErrorKind::bad_file, where, "'{}' must have a hash of {} digits, got '{}'", path, digits,
         text.substr(0, kShownBytes));
  }
  return text;
}

FileRecord entry_of_tree(const JsonFields& fields) {
  FileRecord file;
  file.path = fields.string("path");
  file.size = static_cast<std::uint64_t>(fields.integer("size", 0, kMostFileBytes));
  if (fields.has("lfs")) {
    file.sha256 =
        lower_hex(JsonFields(fields.object("lfs"), fields.where()).string("oid"), 64, fields.where(), file.path);
  } else {
    file.blob = lower_hex(fields.string("oid"), 40, fields.where(), file.path);
  }
  return file;
}

void add_page(const json::value& page, const std::string& where, std::vector<FileRecord>& files) {
  if (!page.is_array()) fail(ErrorKind::bad_file, where, "an array of files is wanted");
  for (const json::value& entry : page.get_array()) {
    if (!entry.is_object()) fail(ErrorKind::bad_file, where, "a file must be an object");
    const JsonFields fields(entry.get_object(), where);
    check_path(fields.string("path"), where);
    if (fields.string_or("type", "file") == "file") files.push_back(entry_of_tree(fields));
    if (files.size() > kMostFiles) fail(ErrorKind::unsupported, where, "more than {} files", kMostFiles);
  }
}

bool ends_with_any(const std::string& path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) { return path.ends_with(ending); });
}

bool is_top_level(const std::string& path) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-' || c == '+' || c == ' ';
  };
  return !path.empty() && path.front() != '.' && path.size() < 250 && std::all_of(path.begin(), path.end(), allowed);
}

}  // namespace

HubModel hub_model(const std::string& text) {
  HubModel model;
  std::string_view rest = text;
  if (rest.starts_with(kModelScope)) {
    model.kind = HubKind::modelscope;
    rest.remove_prefix(kModelScope.size());
  }
  const std::optional<ModelName> name = parse_model_name(rest);
  if (!name || !is_hub_name(*name)) {
    fail(ErrorKind::invalid_request, text.substr(0, kShownBytes),
         "a name on a hub is wanted: owner/name, owner/name@revision or modelscope:owner/name");
  }
  model.name = *name;
  return model;
}

const std::string& Repository::endpoint() const {
  return model_.kind == HubKind::huggingface ? settings_.endpoint : settings_.modelscope;
}

const std::string& Repository::token() const {
  return model_.kind == HubKind::huggingface ? settings_.token : settings_.modelscope_token;
}

std::string Repository::revision() const {
  const std::string asked = model_.name.revision();
  if (!asked.empty()) return asked;
  return model_.kind == HubKind::huggingface ? "main" : "master";
}

Listing Repository::list(const Fetch& fetch) const {
  Listing listing = model_.kind == HubKind::huggingface ? list_huggingface(fetch) : list_modelscope(fetch);
  std::set<std::string> seen;
  for (const FileRecord& file : listing.files) {
    if (!seen.insert(file.path).second) fail(ErrorKind::bad_file, where(), "the hub lists '{}' twice", file.path);
  }
  return listing;
}

Listing Repository::list_huggingface(const Fetch& fetch) const {
  const std::string api = endpoint() + "/api/models/" + model_.name.repository();
  std::string content;
  const HttpHead head = fetch(api + "/revision/" + url_quoted(revision()), content);
  if (head.status != 200) fail_for(head, "revision " + revision());
  const json::value answer = parse_answer(content, where());
  if (!answer.is_object()) fail(ErrorKind::bad_file, where(), "the hub's answer must be an object");
  Listing listing;
  listing.commit = lower_hex(JsonFields(answer.get_object(), where()).string("sha"), 40, where(), "sha");

  std::set<std::string> asked;
  std::string url = api + "/tree/" + listing.commit + "?recursive=true";
  while (!url.empty()) {
    if (!asked.insert(url).second || asked.size() > kMostPages) {
      fail(ErrorKind::bad_file, where(), "the hub's listing has no end: {} pages so far", asked.size());
    }
    const HttpHead page = fetch(url, content);
    if (page.status != 200) fail_for(page, "the list of files");
    add_page(parse_answer(content, where()), where(), listing.files);
    // A mirror may name the hub that it mirrors.
    const std::string next = next_page(page.header("link"));
    url = next.empty() ? "" : at_origin(resolve_url(url, next), endpoint());
  }
  return listing;
}

Listing Repository::list_modelscope(const Fetch& fetch) const {
  std::string content;
  const HttpHead head = fetch(fmt::format("{}/api/v1/models/{}/repo/files?Revision={}&Recursive=True", endpoint(),
                                          model_.name.repository(), url_quoted(revision())),
                              content);
  if (head.status != 200) fail_for(head, "the list of files");
  const json::value answer = parse_answer(content, where());
  if (!answer.is_object()) fail(ErrorKind::bad_file, where(), "the hub's answer must be an object");
  const JsonFields outer(answer.get_object(), where());
  if (outer.integer_or("Code", 200, 0, 1 << 30) != 200) {
    fail(ErrorKind::not_found, where(), "ModelScope says: {}", outer.string_or("Message", "no").substr(0, kShownBytes));
  }
  Listing listing;
  const JsonFields data(outer.object("Data"), where());
  for (const json::value& entry : data.array("Files")) {
    if (!entry.is_object()) fail(ErrorKind::bad_file, where(), "a file must be an object");
    const JsonFields fields(entry.get_object(), where());
    const std::string path = fields.string("Path");
    check_path(path, where());
    if (fields.string_or("Type", "blob") != "blob") continue;
    listing.files.push_back({.path = path,
                             .size = static_cast<std::uint64_t>(fields.integer("Size", 0, kMostFileBytes)),
                             .sha256 = lower_hex(fields.string("Sha256"), 64, where(), path),
                             .blob = ""});
  }
  return listing;
}

std::string Repository::file_url(const Listing& listing, const std::string& path) const {
  if (model_.kind == HubKind::huggingface) {
    return fmt::format("{}/{}/resolve/{}/{}", endpoint(), model_.name.repository(), listing.commit, url_quoted(path));
  }
  return fmt::format("{}/api/v1/models/{}/repo?Revision={}&FilePath={}", endpoint(), model_.name.repository(),
                     url_quoted(revision()), url_quoted(path));
}

void Repository::fail_for(const HttpHead& head, const std::string& what) const {
  const std::string code = head.header("x-error-code"), said = head.header("x-error-message").substr(0, kShownBytes);
  const std::string page = endpoint() + "/" + model_.name.repository();
  const std::string says = said.empty() ? "" : fmt::format(" (the hub says: {})", said);
  if (code == "GatedRepo") {
    fail(ErrorKind::not_found, where(), "its owner wants terms accepted: do so at {}, then set HF_TOKEN{}{}", page,
         token().empty() ? "" : " of the same account; the one from " + settings_.token_source + " has no access",
         says);
  }
  if (head.status == 401 && said.find("Invalid credentials") != std::string::npos && !token().empty()) {
    fail(ErrorKind::invalid_request, where(), "the hub does not know the token from {}", settings_.token_source);
  }
  if (code == "RevisionNotFound") {
    fail(ErrorKind::not_found, where(), "the hub has the model, but no revision '{}'", revision());
  }
  if (code == "EntryNotFound") fail(ErrorKind::not_found, where(), "the hub lacks {}", what);
  if (head.status == 401 && token().empty()) {
    fail(ErrorKind::not_found, where(),
         "the hub at {} has no such public model: is the name right? A private or gated one wants HF_TOKEN{}",
         endpoint(), says);
  }
  if (head.status == 404) fail(ErrorKind::not_found, where(), "the hub at {} has no such model{}", endpoint(), says);
  if (head.status == 401 || head.status == 403) {
    fail(ErrorKind::not_found, where(), "the hub at {} refuses {} (status {}){}", endpoint(), what, head.status, says);
  }
  fail(ErrorKind::overloaded, where(), "the hub at {} answers {} with status {}{}", endpoint(), what, head.status,
       says);
}

std::string next_page(const std::string& link) {
  constexpr std::string_view kNext = "rel=\"next\"";
  std::size_t from = 0;
  while (from < link.size()) {
    const std::size_t open = link.find('<', from), close = link.find('>', from);
    if (open == std::string::npos || close == std::string::npos || close < open) return "";
    const std::size_t end = std::min(link.find(",", close), link.size());
    if (link.substr(close, end - close).find(kNext) != std::string::npos)
      return link.substr(open + 1, close - open - 1);
    from = end + 1;
  }
  return "";
}

bool is_small_part(const std::string& path) { return is_top_level(path) && ends_with_any(path, {".json", ".jinja"}); }

bool is_weights(const std::string& path) { return is_top_level(path) && path.ends_with(".safetensors"); }

}  // namespace glimt

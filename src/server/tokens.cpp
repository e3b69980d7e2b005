#include "server/tokens.h"

#include "api/wire.h"
#include "base/json.h"

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace glimt {
namespace {

json::object body_of(const HttpRequest& request) {
  json::value body = parse_json(request.body, "body");
  if (!body.is_object()) fail(ErrorKind::invalid_request, "body", "a JSON object is wanted");
  return std::move(body.as_object());
}

bool is_json(const HttpRequest& request) {
  return request.field_or("content-type", {}).starts_with("application/json");
}

json::value ids_of(const std::vector<TokenId>& tokens) { return json::array(tokens.begin(), tokens.end()); }

HttpResponse json_response(const json::value& body) { return {200, "application/json", wire_json(body), {}}; }

TokenId token_of(const json::value& value, const Tokenizer& tokenizer) {
  const std::int64_t id = value.is_int64() ? value.get_int64() : -1;
  if (id < 0 || id > std::numeric_limits<TokenId>::max() || !tokenizer.contains(static_cast<TokenId>(id))) {
    fail(ErrorKind::invalid_request, "tokens", "ids of the vocabulary are wanted, got {}", dump_json(value));
  }
  return static_cast<TokenId>(id);
}

}  // namespace

std::string tokens_model(const HttpRequest& request) {
  if (is_json(request)) {
    const json::object body = body_of(request);
    return JsonFields(body, "body", ErrorKind::invalid_request).string_or("model", "");
  }
  return query_value(request.query, "model");
}

HttpResponse tokenize(const Call& call, const ServedModel& model) {
  const Tokenizer& tokenizer = model.resources().tokenizer;
  if (!is_json(call.request)) return json_response(ids_of(tokenizer.encode_plain(call.request.body)));
  const json::object body = body_of(call.request);
  const JsonFields fields(body, "body", ErrorKind::invalid_request);
  const std::string content = fields.string("content");
  const bool controls = fields.boolean_or("parse_special", false);
  fields.ignore({"model"});
  fields.finish();
  return json_response(
      json::object{{"tokens", ids_of(controls ? tokenizer.encode_raw(content) : tokenizer.encode_plain(content))}});
}

HttpResponse detokenize(const Call& call, const ServedModel& model) {
  const Tokenizer& tokenizer = model.resources().tokenizer;
  const json::object body = body_of(call.request);
  const JsonFields fields(body, "body", ErrorKind::invalid_request);
  std::vector<TokenId> ids;
  for (const json::value& id : fields.array("tokens")) ids.push_back(token_of(id, tokenizer));
  fields.ignore({"model"});
  fields.finish();
  return json_response(json::object{{"content", tokenizer.decode(ids)}});
}

}  // namespace glimt

#include "server/model_routes.h"

#include "api/anthropic_models.h"
#include "api/ollama_models.h"
#include "api/openai_models.h"
#include "api/wire.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace glimt {
namespace {

std::int64_t seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// What this server allows: of a model that is not loaded, what it will allow at most.
std::size_t context_of(const Call& call, const ModelFacts& facts, const ManagerStatus& status) {
  for (const ModelStatus& model : status.models) {
    if (model.model.name == facts.name && model.context > 0) return model.context;
  }
  const std::size_t wanted = call.service.options.context;
  return wanted == 0 ? facts.context : std::min(wanted, facts.context);
}

ModelCard card_of(const Call& call, const StoredModel& model, const ManagerStatus& status) {
  const std::shared_ptr<const ModelFacts> facts = call.service.catalog.facts(model);
  if (!facts->problem.empty())
    fail(ErrorKind::not_found, "model", "'{}' cannot be used: {}", model.name, facts->problem);
  ModelCard card;
  card.name = model.name;
  card.modified = seconds_of(facts->modified);
  card.size = facts->bytes;
  card.digest = facts->digest;
  card.format = "safetensors";
  card.architecture = facts->model_type;
  card.parameters = facts->parameters;
  card.quantization = facts->quantization;
  card.context = context_of(call, *facts, status);
  card.embedding_length = facts->hidden_size;
  card.layers = facts->layers;
  card.chat_template = facts->chat_template;
  card.license = facts->license;
  return card;
}

// Those that can be used.
std::vector<ModelCard> all_cards(const Call& call) {
  const ManagerStatus status = call.service.models.status();
  std::vector<ModelCard> cards;
  for (const StoredModel& model : call.service.models.list()) {
    if (call.service.catalog.facts(model)->problem.empty()) cards.push_back(card_of(call, model, status));
  }
  return cards;
}

ModelCard card_named(const Call& call, const std::string& name) {
  return card_of(call, call.service.models.find(name), call.service.models.status());
}

json::object body_of(const Call& call) {
  json::value body = parse_json(call.request.body, "body");
  if (!body.is_object()) fail(ErrorKind::invalid_request, "body", "a JSON object is wanted");
  return std::move(body.as_object());
}

HttpResponse json_response(const json::value& body, const std::vector<std::string>& ignored = {}) {
  return {200, std::string(kJsonType), wire_json(body), ignored_fields(ignored)};
}

}  // namespace

HttpResponse list_models(const Call& call) {
  const std::vector<ModelCard> cards = all_cards(call);
  return json_response(call.dialect == Dialect::anthropic ? anthropic_models(cards) : openai_models(cards));
}

HttpResponse get_model(const Call& call) {
  const ModelCard card = card_named(call, call.parameter);
  return json_response(call.dialect == Dialect::anthropic ? anthropic_model(card) : openai_model(card));
}

HttpResponse list_tags(const Call& call) { return json_response(ollama_tags(all_cards(call))); }

HttpResponse list_running(const Call& call) {
  const ManagerStatus status = call.service.models.status();
  std::vector<RunningModel> running;
  for (const ModelStatus& model : status.models) {
    if (model.state != ModelStatus::State::loaded) continue;
    RunningModel& added = running.emplace_back();
    added.card = card_of(call, model.model, status);
    added.bytes = model.bytes;
    added.context = model.context;
    if (model.expires) added.expires = seconds_of(*model.expires);
  }
  return json_response(ollama_ps(running));
}

HttpResponse show_model(const Call& call) {
  const OllamaModelRequest asked = parse_ollama_show(body_of(call));
  return json_response(ollama_show(card_named(call, asked.model)), asked.ignored);
}

}  // namespace glimt

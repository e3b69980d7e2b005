#include "server/status.h"

#include "api/wire.h"
#include "server/web_page.h"

#include <algorithm>
#include <chrono>

namespace glimt {
namespace {

std::string_view word(ModelStatus::State state) {
  switch (state) {
    case ModelStatus::State::loading: return "loading";
    case ModelStatus::State::loaded: return "loaded";
    case ModelStatus::State::unloading: return "unloading";
  }
  return "";
}

double progress_of(const ModelStatus& model) {
  if (model.state != ModelStatus::State::loading) return 1;
  return model.load.total_bytes == 0 ? 0 : double(model.load.done_bytes) / double(model.load.total_bytes);
}

json::object json_of(const EngineMetrics& metrics) {
  return {{"running", metrics.running},
          {"waiting", metrics.waiting},
          {"block_bytes", metrics.block_bytes},
          {"blocks", metrics.blocks},
          {"free_blocks", metrics.free_blocks},
          {"cached_blocks", metrics.cached_blocks},
          {"evictable_blocks", metrics.evictable_blocks},
          {"steps", metrics.steps},
          {"prompt_tokens", metrics.prompt_tokens},
          {"reused_tokens", metrics.reused_tokens},
          {"generated_tokens", metrics.generated_tokens},
          {"drafted", metrics.drafted},
          {"accepted", metrics.accepted},
          {"preemptions", metrics.preemptions},
          {"evicted_blocks", metrics.evicted_blocks},
          {"decode_seconds", metrics.decode_seconds},
          {"plain_decode_seconds", metrics.plain_decode_seconds},
          {"speculation_speedup", metrics.speculation_speedup()}};
}

std::string_view word(RequestProgress::Phase phase) {
  switch (phase) {
    case RequestProgress::Phase::queued: return "queued";
    case RequestProgress::Phase::prefill: return "prefill";
    case RequestProgress::Phase::thinking: return "thinking";
    case RequestProgress::Phase::answer: return "answer";
  }
  return "";
}

double seconds_since(RequestProgress::Clock::time_point then) {
  return std::chrono::duration<double>(RequestProgress::Clock::now() - then).count();
}

// `place`: how many of this model wait before it, and itself.
json::object json_of(const RequestProgress& request, int place) {
  const std::size_t generated = request.generated_tokens;
  const double decoding = generated > 1 ? seconds_since(request.first_token) : 0;
  json::object object{{"id", request.id},
                      {"path", request.path},
                      {"phase", word(request.phase)},
                      {"place", nullptr},
                      {"prompt_tokens", request.prompt_tokens},
                      {"prefilled_tokens", request.prefilled_tokens.load()},
                      {"generated_tokens", generated},
                      {"tokens_per_second", decoding > 0 ? double(generated - 1) / decoding : 0},
                      {"seconds", seconds_since(request.came)}};
  if (request.phase == RequestProgress::Phase::queued) object["place"] = place;
  return object;
}

json::array requests_of(const RequestList& requests, const std::string& model) {
  json::array all;
  int waiting = 0;
  for (const auto& request : requests.now()) {
    if (request->model != model) continue;
    if (request->phase == RequestProgress::Phase::queued) ++waiting;
    all.push_back(json_of(*request, waiting));
  }
  return all;
}

json::object json_of(const ModelStatus& model) {
  json::object object{{"name", model.model.name},       {"state", word(model.state)},
                      {"progress", progress_of(model)}, {"stage", to_string(model.load.stage)},
                      {"memory", model.bytes},          {"context_length", model.context},
                      {"requests", model.leases},       {"waiting", model.waiting}};
  object["healthy"] = model.health.ok;
  object["step_seconds"] = model.health.step_seconds;
  object["metrics"] = json_of(model.metrics);
  object["expires"] = json::value();
  if (model.expires) object["expires"] = std::chrono::system_clock::to_time_t(*model.expires);
  return object;
}

bool is_loading(const ModelStatus& model) { return model.state == ModelStatus::State::loading; }
bool is_stalled(const ModelStatus& model) { return model.state == ModelStatus::State::loaded && !model.health.ok; }

HttpResponse json_response(int status, const json::value& body) {
  HttpResponse response;
  response.status = status;
  response.body = wire_json(body);
  return response;
}

HttpResponse health_response(const Call& call, int status, std::string_view word) {
  json::object body{{"status", word}};
  if (!call.service.options.device.empty()) body["device"] = call.service.options.device;
  return json_response(status, body);
}

}  // namespace

HttpResponse get_root(const Call& call) {
  if (wants_web_page(call.request)) return web_page_response(call.request);
  return {200, "text/plain; charset=utf-8", "Ollama is running", {{"Vary", "Accept"}}};
}

HttpResponse get_health(const Call& call) {
  const ManagerStatus status = call.service.models.status();
  const auto& models = status.models;
  if (std::any_of(models.begin(), models.end(), is_stalled)) {
    return health_response(call, 503, "stalled");
  }
  const bool loaded = std::any_of(models.begin(), models.end(),
                                  [](const ModelStatus& m) { return m.state == ModelStatus::State::loaded; });
  if (!loaded && (status.asked > 0 || std::any_of(models.begin(), models.end(), is_loading))) {
    return health_response(call, 503, "loading");
  }
  if (call.service.stopping) return health_response(call, 503, "stopping");
  return health_response(call, 200, "ok");
}

HttpResponse get_status(const Call& call) {
  const ManagerStatus status = call.service.models.status();
  json::array models;
  double progress = 1;
  std::size_t context = 0;
  bool loading = false, stalled = false;
  for (const ModelStatus& model : status.models) {
    models.push_back(json_of(model));
    progress = std::min(progress, progress_of(model));
    context = std::max(context, model.context);
    loading = loading || is_loading(model);
    stalled = stalled || is_stalled(model);
  }
  return json_response(200, json::object{{"Status", stalled   ? "stalled"
                                                    : loading ? "loading"
                                                              : "ok"},
                                         {"Progress", progress},
                                         {"ContextLength", context},
                                         {"Memory", status.used},
                                         {"memory_limit", status.memory},
                                         {"answering", call.service.answering.load()},
                                         {"version", call.service.options.version},
                                         {"device", call.service.options.device},
                                         {"uptime_seconds", seconds_since(call.service.started)},
                                         {"history", call.service.tokens.json(RequestProgress::Clock::now())},
                                         {"requests", call.service.outcomes.counts()},
                                         {"errors", call.service.outcomes.errors()},
                                         {"models", std::move(models)}});
}

HttpResponse get_slots(const Call& call) {
  json::array slots;
  for (const ModelStatus& model : call.service.models.status().models) {
    if (model.state != ModelStatus::State::loaded) continue;
    const EngineMetrics& metrics = model.metrics;
    slots.push_back(json::object{{"model", model.model.name},
                                 {"running", metrics.running},
                                 {"waiting", metrics.waiting},
                                 {"blocks", metrics.blocks},
                                 {"free_blocks", metrics.free_blocks},
                                 {"cached_blocks", metrics.cached_blocks},
                                 {"prompt_tokens", metrics.prompt_tokens},
                                 {"reused_tokens", metrics.reused_tokens},
                                 {"generated_tokens", metrics.generated_tokens},
                                 {"step_seconds", model.health.step_seconds},
                                 {"healthy", model.health.ok},
                                 {"requests", requests_of(call.service.requests, model.model.name)}});
  }
  return json_response(200, slots);
}

HttpResponse get_metrics(const Call& call) {
  return {200, "text/plain; version=0.0.4; charset=utf-8", call.service.metrics.text(call.service.models.status()), {}};
}

}  // namespace glimt

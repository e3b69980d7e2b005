#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <functional>
#include <utility>
#include <vector>

namespace glimt {
namespace {

using prometheus::ClientMetric;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;

const Histogram::BucketBoundaries kSeconds{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300};
const Histogram::BucketBoundaries kTokenSeconds{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .2, .5, 1, 5};
const Histogram::BucketBoundaries kTokens{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144};

Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                     const Histogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

// One number of each loaded model.
struct ModelNumber {
  const char* name;
  const char* help;
  MetricType type;
  double (*get)(const ModelStatus&);
};

constexpr ModelNumber kModelNumbers[] = {
    {"glimt_requests_running", "Sequences that the engine computes", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.metrics.running); }},
    {"glimt_requests_waiting", "Sequences that wait for their turn", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.metrics.waiting); }},
    {"glimt_cache_blocks", "Blocks of the cache", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.metrics.blocks); }},
    {"glimt_cache_blocks_free", "Blocks of the cache that hold nothing", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.metrics.free_blocks); }},
    {"glimt_cache_blocks_evictable", "Blocks that hold a prefix and are in no use", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.metrics.evictable_blocks); }},
    {"glimt_model_memory_bytes", "Memory of weights and cache", MetricType::Gauge,
     [](const ModelStatus& m) { return double(m.bytes); }},
    {"glimt_engine_healthy", "1 unless the engine's step hangs or its thread has ended", MetricType::Gauge,
     [](const ModelStatus& m) { return m.health.ok ? 1.0 : 0.0; }},
    {"glimt_engine_steps_total", "Steps of the engine", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.steps); }},
    {"glimt_engine_prompt_tokens_total", "Tokens of prompts, reused ones included", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.prompt_tokens); }},
    {"glimt_engine_reused_tokens_total", "Tokens of prompts that were found in the cache", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.reused_tokens); }},
    {"glimt_engine_generated_tokens_total", "Tokens of answers", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.generated_tokens); }},
    {"glimt_engine_drafted_tokens_total", "Tokens that were guessed ahead", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.drafted); }},
    {"glimt_engine_accepted_tokens_total", "Guesses that were right", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.accepted); }},
    {"glimt_engine_preemptions_total", "Sequences that were set back for want of blocks", MetricType::Counter,
     [](const ModelStatus& m) { return double(m.metrics.preemptions); }},
};

MetricFamily family_of(const ModelNumber& number, const std::vector<ModelStatus>& models) {
  MetricFamily family{number.name, number.help, number.type, {}};
  for (const ModelStatus& model : models) {
    if (model.state != ModelStatus::State::loaded) continue;
    ClientMetric metric;
    metric.label.push_back({"model", model.model.name});
    (number.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = number.get(model);
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

struct ServerMetrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                                          .Name("glimt_http_requests_total")
                                                          .Help("Requests by route and status")
                                                          .Register(registry);
  Histogram& request_seconds =
      histogram(registry, "glimt_http_request_duration_seconds", "From a request's header to its last byte", kSeconds);
  Histogram& first_token =
      histogram(registry, "glimt_time_to_first_token_seconds", "From a request to its answer's first token", kSeconds);
  Histogram& between =
      histogram(registry, "glimt_time_between_tokens_seconds", "Between two tokens of an answer", kTokenSeconds);
  Histogram& queue = histogram(registry, "glimt_queue_seconds", "That a sequence waited for its first turn", kSeconds);
  Histogram& prompt_tokens = histogram(registry, "glimt_prompt_tokens", "Tokens of a prompt", kTokens);
  Histogram& answer_tokens = histogram(registry, "glimt_answer_tokens", "Tokens of an answer", kTokens);
  prometheus::Counter& reused =
      counter(registry, "glimt_reused_prompt_tokens_total", "Tokens of prompts that were found in the cache");
  prometheus::Counter& cancelled =
      counter(registry, "glimt_answers_cancelled_total", "Answers whose client went away or did not read");
  prometheus::Gauge& connections =
      prometheus::BuildGauge().Name("glimt_http_connections").Help("Open connections").Register(registry).Add({});
};

ServerMetrics::ServerMetrics() : families_(std::make_unique<Families>()) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::count_request(std::string_view route, int status, double seconds) {
  families_->requests.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
  families_->request_seconds.Observe(seconds);
}

void ServerMetrics::count_cancelled() { families_->cancelled.Increment(); }

void ServerMetrics::between_tokens(double seconds) { families_->between.Observe(seconds); }

void ServerMetrics::count_answer(const AnswerTimes& answer) {
  if (answer.generated_tokens > 0) families_->first_token.Observe(answer.first_token);
  families_->queue.Observe(answer.queue);
  families_->prompt_tokens.Observe(static_cast<double>(answer.prompt_tokens));
  families_->answer_tokens.Observe(static_cast<double>(answer.generated_tokens));
  families_->reused.Increment(static_cast<double>(answer.reused_tokens));
}

void ServerMetrics::connections(std::size_t open) { families_->connections.Set(static_cast<double>(open)); }

std::string ServerMetrics::text(const ManagerStatus& models) const {
  std::vector<MetricFamily> all = families_->registry.Collect();
  for (const ModelNumber& number : kModelNumbers) all.push_back(family_of(number, models.models));
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace glimt

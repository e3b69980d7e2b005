// What the requests of all connections share.
#pragma once

#include "api/fields.h"
#include "api/ids.h"
#include "api/response_store.h"
#include "server/access_log.h"
#include "server/keys.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/origin.h"
#include "server/outcomes.h"
#include "server/pulls.h"
#include "server/request_list.h"
#include "server/token_history.h"
#include "server/worker_pool.h"
#include "serving/model_facts.h"
#include "serving/model_manager.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace glimt {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 11434;  // 0: any that is free
  std::filesystem::path api_key_file;
  std::filesystem::path tls_certificate, tls_key;  // both or none
  OriginRules origins;                             // bound_host is `host`
  UnknownFields unknown = UnknownFields::refuse;   // of OpenAI's and Anthropic's dialect
  AccessLog::Form log = AccessLog::Form::text;
  ServerLimits limits;
  Timeouts timeouts;
  std::size_t worker_threads = 2;
  std::size_t context = 0;  // EngineOptions::context of the models
  std::string version;      // the program's
  std::string device;       // what computes, for those who ask; may be empty

  bool fixed_models = false;             // nobody may pull, copy or remove models
  std::function<PullOptions()> pulling;  // how a pull is done, asked for each; may throw. Empty: there are none
};

// All of it may be used from any thread. Destroyed behind the connections and before the models.
struct Service {
  Service(const ServerOptions& options, ModelManager& models);

  const ServerOptions options;
  ModelManager& models;
  const ApiKeys keys;
  ServerMetrics metrics;
  AccessLog log;
  ModelCatalog catalog;
  ResponseStore responses;
  IdSource ids;
  RequestList requests;
  Outcomes outcomes;
  TokenHistory tokens;
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::atomic<std::size_t> body_bytes = 0;  // of all requests at work
  std::atomic<std::size_t> answering = 0;   // requests whose answer is being written
  std::atomic<bool> stopping = false;       // no more requests are read
  std::atomic<bool> stopped = false;        // the answers that still run end now
  Pulls pulls;
  WorkerPool pool, store_pool;  // last: their jobs use the rest. The second has one thread, for changes of the store
};

}  // namespace glimt

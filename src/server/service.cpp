#include "server/service.h"

namespace glimt {

Service::Service(const ServerOptions& given, ModelManager& manager)
    : options(given),
      models(manager),
      keys(given.api_key_file.empty() ? ApiKeys() : ApiKeys::from_file(given.api_key_file)),
      log(given.log),
      pulls(given.limits),
      pool(given.worker_threads, given.limits.queued_jobs),
      store_pool(1, given.limits.queued_jobs) {}

}  // namespace glimt

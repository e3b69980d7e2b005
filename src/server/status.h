// What the server tells about itself.
#pragma once

#include "server/router.h"

namespace glimt {

HttpResponse get_root(const Call& call);     // the page for browsers; "Ollama is running", which other clients look for
HttpResponse get_health(const Call& call);   // 503 while a model is loading, stalled or gone
HttpResponse get_status(const Call& call);   // {"Status", "Progress", "ContextLength", "Memory"} and the models
HttpResponse get_slots(const Call& call);    // one entry a model: what its engine does, and its requests
HttpResponse get_metrics(const Call& call);  // for Prometheus

}  // namespace glimt

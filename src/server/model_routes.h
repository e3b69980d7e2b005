// Which models there are, in every dialect's form.
#pragma once

#include "server/router.h"

namespace glimt {

HttpResponse list_models(const Call& call);  // GET /v1/models, OpenAI's form or Anthropic's
HttpResponse get_model(const Call& call);    // GET /v1/models/{id}

HttpResponse list_tags(const Call& call);     // GET /api/tags
HttpResponse list_running(const Call& call);  // GET /api/ps
HttpResponse show_model(const Call& call);    // POST /api/show

}  // namespace glimt

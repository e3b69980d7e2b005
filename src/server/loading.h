// What the client of a stream is told while its model is being loaded.
#pragma once

#include "api/endpoint.h"
#include "server/requests.h"

namespace glimt {

// Each time that nothing was said for Timeouts::keep_alive, what the dialect has for that: an SSE comment, an event
// `ping`, a line without text; and where the request asked for it, how much of the model is there, at most four times a
// second. With the first word the status is gone. Does nothing for whole answers. `exchange` outlives it.
Meanwhile while_loading(Exchange& exchange, const ParsedRequest& parsed, const AnswerHead& head);

}  // namespace glimt

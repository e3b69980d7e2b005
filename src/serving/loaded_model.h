// A ChatModel behind the interface of a front.
#pragma once

#include "hub/store.h"
#include "serving/chat_model.h"
#include "serving/load_progress.h"
#include "serving/served_model.h"

#include <memory>

namespace glimt {

// Reads the weights into memory first where they fit, counting bytes, so that the first answers need not wait for the
// disk. Throws what load_chat_model throws, and overloaded when `progress` was stopped.
std::shared_ptr<ServedModel> load_served_model(const StoredModel& stored, const EngineOptions& options,
                                               LoadProgress& progress);

}  // namespace glimt

// Routes of no dialect: what the server tells about itself, and the tokenizer.
#pragma once

#include "api/description.h"

namespace glimt {

const ApiDescription& server_description();

}  // namespace glimt

// What the owner of a request is told when it cannot go on.
#pragma once

#include "base/error.h"
#include "engine/scheduler.h"

#include <exception>

namespace glimt {

std::exception_ptr error_of(Refusal why);
std::exception_ptr error_of(ErrorKind kind, const char* message);

}  // namespace glimt

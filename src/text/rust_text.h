// What src/text and src/grammar need to call the Rust library: owners of its memory and its errors as glimt::Error.
// Internal to the two.
#pragma once

#include "glimt_text.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace glimt::rust_text {

// Each take_* copies out what a call returned and frees the library's memory.
std::string take(GtBytes bytes);
std::vector<std::uint32_t> take(GtIds ids);

// Does nothing on GT_OK; else throws the Error that `status` and `error` stand for, and frees `error`. `where` opens
// the message: a file, "chat template".
void check(GtStatus status, GtBytes error, std::string_view where);

}  // namespace glimt::rust_text

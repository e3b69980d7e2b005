// Whether the tests are instrumented: then all takes many times as long, and memory that was freed is kept for a while.
#pragma once

namespace glimt {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace glimt

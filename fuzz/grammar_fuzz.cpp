// The first byte says what the rest is: a JSON schema, a regex, Lark or a set of tools. It is refused with a message,
// or what it allows can be walked: masks are never empty, what they hold is accepted, what they do not hold is refused,
// and rollback leads back. Each input within 4 seconds of instrumented CPU time and 64 MB
// (tests/grammar/bombs_test.cpp: one second of the code as it ships).
#include "grammar/grammar.h"

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"

#include <sanitizer/allocator_interface.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr double kMaxSeconds = 4;
constexpr std::size_t kMaxBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxMessage = 5000;
constexpr int kTokens = 30;

std::atomic<std::size_t> live{0}, peak{0};

void count_allocation(const volatile void*, std::size_t size) {
  const std::size_t now = live += size;
  std::size_t highest = peak;
  while (now > highest && !peak.compare_exchange_weak(highest, now)) continue;
}

void count_free(const volatile void* pointer) {
  if (pointer != nullptr) live -= __sanitizer_get_allocated_size(pointer);
}

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "grammar_fuzz: %s\n", what);
  std::abort();
}

const std::shared_ptr<const glimt::GrammarEnvironment>& environment() {
  static const auto made = [] {
    const glimt::Tokenizer tokenizer(std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo");
    const std::vector<glimt::TokenId> ends{*tokenizer.token_id("<|endoftext|>"), *tokenizer.token_id("<|user|>")};
    return std::make_shared<const glimt::GrammarEnvironment>(tokenizer, tokenizer.vocab_size() + 50, ends);
  }();
  return made;
}

// Nothing for a text that is no JSON, which is not what this is about.
std::optional<glimt::Grammar> compile(std::uint8_t how, std::string_view text) {
  if (how % 4 == 1) return glimt::Grammar::regex(environment(), text);
  if (how % 4 == 2) return glimt::Grammar::lark(environment(), text);
  glimt::json::value value;
  try {
    value = glimt::parse_json(text, "fuzz");
  } catch (const glimt::Error&) {
    return std::nullopt;
  }
  if (how % 4 == 0) return glimt::Grammar::json_schema(environment(), value);
  if (!value.is_array()) return std::nullopt;
  return glimt::Grammar::tool_calls(environment(), value.get_array(),
                                    {.allowed = {}, .parallel = how % 8 < 4, .required = how % 32 < 16});
}

using Mask = std::vector<std::uint32_t>;

Mask mask_of(glimt::Matcher& matcher) {
  Mask mask(environment()->mask_words());
  matcher.mask(mask);
  return mask;
}

bool has(const Mask& mask, std::size_t id) { return ((mask[id / 32] >> (id % 32)) & 1) != 0; }

// The first token from `from` on, around the end, that is in the mask or is not.
std::optional<glimt::TokenId> find(const Mask& mask, std::size_t from, bool wanted) {
  const std::size_t width = environment()->vocab_width();
  for (std::size_t i = 0; i < width; ++i) {
    const std::size_t id = (from + i) % width;
    if (has(mask, id) == wanted) return static_cast<glimt::TokenId>(id);
  }
  return std::nullopt;
}

void walk(const glimt::Grammar& grammar, std::mt19937& random) {
  glimt::Matcher matcher = grammar.matcher();
  std::vector<Mask> masks;
  for (int i = 0; i < kTokens && matcher.state() != glimt::Matcher::State::ended; ++i) {
    masks.push_back(mask_of(matcher));
    // Of the tokens that spell a forced text, the mask holds the tokenizer's; others are accepted.
    const bool forced = !matcher.forced().empty();
    const auto good = find(masks.back(), random(), true), bad = find(masks.back(), random(), false);
    require(good.has_value(), "an empty mask");
    require(forced || !bad || !matcher.accept(*bad), "a token that is not in the mask is accepted");
    require(matcher.accept(*good), "a token of the mask is refused");
  }
  if (masks.empty()) return;
  const std::size_t back = random() % masks.size();
  matcher.rollback(matcher.accepted() - back);
  require(mask_of(matcher) == masks[back], "rollback leads somewhere else");
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  environment();
  __sanitizer_install_malloc_and_free_hooks(count_allocation, count_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::seed_seq seed(data, data + size);
  std::mt19937 random(seed);
  const std::size_t before = live;
  peak = before;
  const std::clock_t start = std::clock();
  try {
    const std::string text(data + 1, data + size);
    if (const std::optional<glimt::Grammar> grammar = compile(data[0], text)) {
      walk(data[0] % 16 < 8 ? *grammar : grammar->after_thinking(), random);
    }
  } catch (const glimt::Error& error) {
    require(error.kind() == glimt::ErrorKind::invalid_request, error.what());
    require(std::string_view(error.what()).size() < kMaxMessage, "a message of more than 5,000 bytes");
  }
  require(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kMaxSeconds, "more than 4 seconds of CPU time");
  require(peak - before < kMaxBytes, "more than 64 MB");
  return 0;
}

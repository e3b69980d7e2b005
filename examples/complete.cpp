// Continues a text with the library: complete MODEL TEXT
#include "engine/engine.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: complete MODEL TEXT\n");
    return 2;
  }
  const glimt::Tokenizer tokenizer(argv[1]);
  const auto engine = glimt::Engine::load(argv[1], {});

  glimt::GenerationRequest request;
  request.prompt = tokenizer.encode_plain(argv[2]);
  request.sampling.temperature = 0;
  request.max_tokens = 64;
  request.eos = engine->info().eos;

  // Any number of requests may run at once; each has a stream.
  const auto stream = engine->submit(request);
  glimt::Detokenizer text(tokenizer, glimt::ControlText::hide_special);
  while (const auto event = stream->next()) {
    if (const auto* token = std::get_if<glimt::TokenEvent>(&*event)) {
      std::fputs(text.push(token->token).c_str(), stdout);
      std::fflush(stdout);
    } else if (const auto* error = std::get_if<std::exception_ptr>(&*event)) {
      std::rethrow_exception(*error);
    }
  }
  std::puts(text.finish().c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "complete: %s\n", error.what());
  return 1;
}

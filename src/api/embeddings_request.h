// What a request for vectors of texts asks for, in any dialect. Plain values.
#pragma once

#include "api/api_request.h"

#include <cstddef>
#include <string>
#include <vector>

namespace glimt {

struct EmbeddingsRequest {
  std::string model;                // as asked for; empty: the default one
  std::vector<std::string> inputs;  // one vector each; none of them is empty
  bool truncate = false;            // a text that is too long loses its end; else that is an error
  std::size_t dimensions = 0;       // only so many numbers of each vector; 0: all
  std::size_t context = 0;          // most tokens of a text, if below the model's; 0: the model's
  KeepAlive keep_alive;
  std::vector<std::string> ignored;  // fields without effect, for the header x-glimt-ignored
};

}  // namespace glimt

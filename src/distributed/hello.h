// How ranks find each other when they start: each connects with every other one, and they compare what they are about
// to do together.
#pragma once

#include "distributed/message.h"
#include "distributed/place.h"
#include "distributed/socket.h"

#include <chrono>
#include <string>
#include <vector>

namespace glimt {

// What all ranks must agree on, by name: "fingerprint of config.json and weights" and its value.
struct Fact {
  std::string name, value;
};

struct Hello {
  std::string launch_token;  // of those that were started together; the same text, perhaps none
  std::vector<Fact> facts;
};

// GLIMT_LAUNCH_TOKEN, which `glimt launch` gives its ranks; empty if it is not set.
std::string launch_token_from_environment();

// A connection with every other rank; that of this rank is empty. Throws internal: "rank 1 (…): the weights differ …" for
// a rank that says something else; for ranks that have not come within `patience`; for a stranger, which a rank's port
// is not for; for a rank that ends meanwhile. Throws invalid_request where this rank's own address cannot be used.
std::vector<Socket> meet(const Place& place, const Hello& hello, std::chrono::milliseconds patience);

}  // namespace glimt

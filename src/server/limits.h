// What the server, a connection and a request may use: the numbers in one table, so that every refusal can name the
// limit that it met. How much may stand in a body is in api/limits.h, how many answers may wait in EngineOptions.
#pragma once

#include "api/problem.h"

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace glimt {

struct ServerLimits {
  std::size_t header_bytes = std::size_t{16} << 10;
  std::size_t header_fields = 100;
  std::size_t body_bytes = std::size_t{32} << 20;
  std::size_t all_bodies_bytes = std::size_t{512} << 20;
  std::size_t connections = 1024;
  std::size_t queued_jobs = 256;
  std::size_t unsent_bytes = std::size_t{1} << 20;
  std::size_t pulls = 4;
};

struct Timeouts {
  std::chrono::milliseconds idle{75'000};        // between two requests of a connection
  std::chrono::milliseconds header{10'000};      // from a request's first byte to the end of its header
  std::chrono::milliseconds body{60'000};        // from there to the end of its body
  std::chrono::milliseconds write{30'000};       // without a byte taken by the client
  std::chrono::milliseconds linger{2'000};       // for a client to read the last response before the connection goes
  std::chrono::milliseconds keep_alive{12'000};  // a stream without an event says that it lives
  std::chrono::milliseconds drain{30'000};       // for running answers to end when the server stops
};

struct LimitRow {
  std::string_view name;
  std::size_t ServerLimits::*value;
  int status;
  std::string_view what;  // "bytes of the request's line and header"
};

std::span<const LimitRow> limit_rows();

// "header_bytes: at most 16384 bytes of the request's line and header". Throws if no row has this name.
Problem over_limit(const ServerLimits& limits, std::string_view name);

}  // namespace glimt

// What a simulation says in the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace glimt::simulation {

// The value that `share` (0 to 1) of the values do not exceed: the nearest rank. 0 of none. Sorts them.
double percentile(std::vector<float>& values, double share);

struct Percentiles {
  double p50 = 0, p95 = 0, p99 = 0;
};
Percentiles percentiles(std::vector<float>& values);

struct Report {
  int replicas = 0;
  std::int64_t requests = 0;  // that arrived once the warm-up was over, as everything below
  std::int64_t answered = 0;
  std::int64_t rejected = 0;     // by every replica that was asked, or for their length
  Percentiles first_token = {};  // seconds from a request's arrival
  Percentiles between = {};      // seconds between the tokens of an answer
  double hit_rate = 0;           // of turns after the first: tokens of the conversation so far that were in the cache
  double busy = 0;               // share of the time that the replicas compute, in the mean
  double busiest = 0;            // of the one that computes most
  double memory = 0;             // bytes of the cache that were held at once, most of all replicas
  double tokens_a_second = 0;    // of answers, of all replicas
  std::uint64_t preemptions = 0;
};

std::string json_line(const Report& report);
std::string table_head();
std::string table_row(const Report& report);

}  // namespace glimt::simulation

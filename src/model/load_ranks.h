// A model on several machines: what each rank loads of it, and what a rank above 0 does.
#pragma once

#include "distributed/place.h"
#include "model/load_model.h"

#include <cstddef>
#include <filesystem>
#include <functional>

namespace glimt {

// Rank 0's part, once all others have loaded theirs. Throws what load_model throws; invalid_request on another rank.
LoadedModel load_over_ranks(const std::filesystem::path& folder, const LoadOptions& options, Place place);

// As the environment says. Throws what place_from_environment() throws.
ProcessRank process_rank();

// Loads this rank's part and computes its layers until rank 0 has left. cache_bytes: what the cache may have beside
// weights of so many bytes that are not in memory yet. Throws what load_model throws, and internal when the group breaks. REQUIRES a rank above 0.
void follow(const std::filesystem::path& folder, const LoadOptions& options, Place place,
            const std::function<std::size_t(std::size_t weight_bytes)>& cache_bytes);

}  // namespace glimt

// Where right matches rank by Euclidean distance, exactly, at the speed of a matrix product.
//
// The rank of a match is the number of gallery items before it, so nothing is sorted: the distances
// of the matches are computed one by one, and against them the bounds that a matrix product gives
// for all others (trainer/distance_bounds.h). The few that the bounds leave undecided are computed
// one by one too. The result is that of ranking float(distance_over_variants()), equal ones in the
// gallery's order (trainer/exact_distance.h), whatever the blocks, the threads and the BLAS.
#pragma once

#include <cstdint>
#include <vector>

#include "common/progress_sink.h"
#include "trainer/vector_block.h"

namespace muster::trainer {

// Of every query, the ranks of its matches, ascending from 0, among the gallery items that it does
// not ignore: those of its own identity and camera. Empty: it has no match. Memory: about 400 MiB
// besides the tables. Progress counts queries of a stretch that has begun.
std::vector<std::vector<int64_t>> euclidean_match_ranks(const ComparedVectors& queries,
                                                        const ComparedVectors& gallery, int threads,
                                                        common::ProgressSink& progress);

}  // namespace muster::trainer

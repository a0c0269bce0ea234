// Ranking by a network's own distance, where each pair of tracklets costs a network pass.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "models/model.h"
#include "trainer/communicator.h"
#include "trainer/feature_file.h"
#include "trainer/ranking_metrics.h"

namespace muster::trainer {

// Between `query_rows` of one table and `gallery_rows` of another.
struct PairwiseWork {
  const models::Model& model;
  const FeatureTable& queries;
  const FeatureTable& gallery;
  const std::vector<int64_t>& query_rows;
  const std::vector<int64_t>& gallery_rows;
  const std::vector<GalleryItem>& items;  // of gallery_rows
  // 0: all. Otherwise of the gallery items that a query sees, so many that are nearest by the
  // Euclidean distance of `features` come first, in the order of the model's distance, and then the
  // others in that of `features`; equal ones in the gallery's order.
  int64_t candidates = 0;
  int threads = 1;  // of the distances of `features`
};

// Whether every distance is a pass through the network.
bool compares_pairwise(const models::Model& model);

// Feeds every query to `metrics`, on rank 0. Collective. What has been compared lies in `partial`
// until the caller removes it: a call with the same work goes on from there. Throws InputError
// where a network wants the whole gallery at once and that takes more than 512 MiB.
void rank_pairwise(const PairwiseWork& work, const std::filesystem::path& partial,
                   Communicator& communicator, common::ProgressSink& progress,
                   RankingMetrics& metrics);

}  // namespace muster::trainer

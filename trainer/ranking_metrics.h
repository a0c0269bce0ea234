// CMC and mean average precision from distances. Knows no protocol but its rules, and no tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "datastore/scoring_rules.h"

namespace muster::trainer {

struct GalleryItem {
  int32_t identity = 0, camera = 0;
  bool ignored = false;  // junk: as if it were not there
};

struct RankingResult {
  // cmc[k-1]: share of counted queries with a right match among the first k; as long as the
  // gallery, at most 50 entries.
  std::vector<double> cmc;
  double mean_average_precision = 0;
  int64_t queries = 0;  // that count in the means
  // No right match in the gallery; among `queries` only where the rules count them as missed.
  int64_t queries_without_match = 0;
};

// Fed one query at a time, so that no distance matrix needs to exist.
class RankingMetrics {
 public:
  // The rule for the gallery is the caller's: all of `gallery` is ranked, less what is ignored.
  explicit RankingMetrics(std::vector<GalleryItem> gallery,
                          const datastore::ScoringRules& rules = {});
  // `distances` has one entry per gallery item. Equal distances rank in the gallery's order. Items
  // of the query's own identity and camera are as if they were not there, so a query that is also
  // gallery never meets itself.
  void add_query(int32_t identity, int32_t camera, const float* distances);
  // The same, told where the matches rank among the items that the query sees: from 0, ascending.
  void add_ranks(const std::vector<int64_t>& match_ranks);
  RankingResult result() const;

 private:
  double average_precision(const std::vector<int64_t>& match_ranks) const;

  std::vector<GalleryItem> gallery_;
  datastore::ScoringRules rules_;
  std::vector<int64_t> first_match_at_;  // by rank, 0-based
  double sum_of_average_precision_ = 0;
  int64_t queries_ = 0, without_match_ = 0;
};

}  // namespace muster::trainer

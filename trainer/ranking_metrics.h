// CMC and mean average precision from distances. Knows no protocol beyond the rule that a gallery
// item of the query's own identity and camera is ignored, and no tensors.
#pragma once

#include <cstdint>
#include <vector>

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
  int64_t queries = 0;  // that have at least one match in the gallery
  int64_t queries_without_match = 0;
};

// Fed one query at a time, so that no distance matrix needs to exist.
class RankingMetrics {
 public:
  explicit RankingMetrics(std::vector<GalleryItem> gallery);
  // `distances` has one entry per gallery item. Equal distances rank in the gallery's order.
  // Average precision is the mean over matches of the precision at each match.
  void add_query(int32_t identity, int32_t camera, const float* distances);
  RankingResult result() const;

 private:
  std::vector<GalleryItem> gallery_;
  std::vector<int64_t> first_match_at_;  // by rank, 0-based
  double sum_of_average_precision_ = 0;
  int64_t queries_ = 0, without_match_ = 0;
};

}  // namespace muster::trainer

#include "trainer/ranking_metrics.h"

#include <algorithm>
#include <numeric>

namespace muster::trainer {

RankingMetrics::RankingMetrics(std::vector<GalleryItem> gallery)
    : gallery_(std::move(gallery)), first_match_at_(gallery_.size(), 0) {}

void RankingMetrics::add_query(int32_t identity, int32_t camera, const float* distances) {
  std::vector<int32_t> order;
  for (size_t i = 0; i < gallery_.size(); ++i) {
    const GalleryItem& item = gallery_[i];
    const bool same_view = item.identity == identity && item.camera == camera;
    if (!item.ignored && !same_view) order.push_back(static_cast<int32_t>(i));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return distances[a] < distances[b]; });
  int64_t matches = 0;
  double sum_of_precision = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    if (gallery_[static_cast<size_t>(order[rank])].identity != identity) continue;
    if (matches++ == 0) ++first_match_at_[rank];
    sum_of_precision += static_cast<double>(matches) / static_cast<double>(rank + 1);
  }
  if (matches == 0) {
    ++without_match_;
    return;
  }
  ++queries_;
  sum_of_average_precision_ += sum_of_precision / static_cast<double>(matches);
}

RankingResult RankingMetrics::result() const {
  constexpr size_t kLongestCurve = 50;
  RankingResult result;
  result.queries = queries_;
  result.queries_without_match = without_match_;
  if (queries_ == 0) return result;
  int64_t matched = 0;
  for (size_t rank = 0; rank < std::min(kLongestCurve, gallery_.size()); ++rank) {
    matched += first_match_at_[rank];
    result.cmc.push_back(static_cast<double>(matched) / static_cast<double>(queries_));
  }
  result.mean_average_precision = sum_of_average_precision_ / static_cast<double>(queries_);
  return result;
}

}  // namespace muster::trainer

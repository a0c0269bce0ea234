#include "trainer/ranking_metrics.h"

#include <algorithm>
#include <utility>

namespace muster::trainer {

RankingMetrics::RankingMetrics(std::vector<GalleryItem> gallery,
                               const datastore::ScoringRules& rules)
    : gallery_(std::move(gallery)), rules_(rules), first_match_at_(gallery_.size(), 0) {}

// Nothing is sorted but the matches: an item counts before the first match that it does not rank
// behind, and so before those after that one.
void RankingMetrics::add_query(int32_t identity, int32_t camera, const float* distances) {
  using Place = std::pair<float, size_t>;  // equal distances rank in the gallery's order
  std::vector<Place> matches;
  for (size_t i = 0; i < gallery_.size(); ++i) {
    const GalleryItem& item = gallery_[i];
    if (item.ignored || item.identity != identity || item.camera == camera) continue;
    matches.emplace_back(distances[i], i);
  }
  std::sort(matches.begin(), matches.end());
  std::vector<int64_t> before(matches.size() + 1, 0);
  for (size_t i = 0; i < gallery_.size() && !matches.empty(); ++i) {
    const GalleryItem& item = gallery_[i];
    if (item.ignored || item.identity == identity) continue;
    const auto behind = std::lower_bound(matches.begin(), matches.end(), Place(distances[i], i));
    ++before[static_cast<size_t>(behind - matches.begin())];
  }
  std::vector<int64_t> ranks;
  int64_t others = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    others += before[i];
    ranks.push_back(others + static_cast<int64_t>(i));
  }
  add_ranks(ranks);
}

void RankingMetrics::add_ranks(const std::vector<int64_t>& match_ranks) {
  if (match_ranks.empty()) {
    ++without_match_;
    if (rules_.unmatched == datastore::UnmatchedQueries::kMissed) ++queries_;
    return;
  }
  ++queries_;
  ++first_match_at_[static_cast<size_t>(match_ranks.front())];
  sum_of_average_precision_ += average_precision(match_ranks);
}

// Ranks are 0-based and ascending; at least one.
double RankingMetrics::average_precision(const std::vector<int64_t>& match_ranks) const {
  double sum = 0;
  for (size_t i = 0; i < match_ranks.size(); ++i) {
    const auto matches_before = static_cast<double>(i);
    const auto items_before = static_cast<double>(match_ranks[i]);
    const double precision = (matches_before + 1) / (items_before + 1);
    const double precision_before = match_ranks[i] == 0 ? 1 : matches_before / items_before;
    const bool trapezoid = rules_.average_precision == datastore::AveragePrecision::kTrapezoid;
    sum += trapezoid ? (precision_before + precision) / 2 : precision;
  }
  return sum / static_cast<double>(match_ranks.size());
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

#include "trainer/model_distances.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "common/error.h"
#include "trainer/kept_blocks.h"
#include "trainer/signature_rows.h"
#include "trainer/vector_block.h"

namespace muster::trainer {
namespace {

constexpr int64_t kMostWholeGallery = int64_t{512} << 20;  // bytes

// How the work is cut: it depends on its size alone, so any number of ranks goes on with it. At
// least 64 blocks where there are so many pairs, and none of more than minutes.
struct Cut {
  int64_t queries, gallery;  // of the whole
  int64_t rows, columns;     // of a block
  int64_t across() const { return (gallery + columns - 1) / columns; }
  int64_t down() const { return (queries + rows - 1) / rows; }
  int64_t first_row(size_t block) const { return static_cast<int64_t>(block) / across() * rows; }
  int64_t first_column(size_t block) const {
    return static_cast<int64_t>(block) % across() * columns;
  }
  int64_t row_count(size_t block) const { return std::min(rows, queries - first_row(block)); }
  int64_t column_count(size_t block) const {
    return std::min(columns, gallery - first_column(block));
  }
  std::vector<int64_t> sizes() const {
    std::vector<int64_t> sizes;
    for (size_t block = 0; block < static_cast<size_t>(across() * down()); ++block) {
      sizes.push_back(row_count(block) * column_count(block));
    }
    return sizes;
  }
};

Cut cut_of(const PairwiseWork& work) {
  Cut cut{};
  cut.queries = static_cast<int64_t>(work.query_rows.size());
  cut.gallery = static_cast<int64_t>(work.gallery_rows.size());
  if (work.candidates > 0) cut.gallery = std::min(cut.gallery, work.candidates);
  const bool whole = work.candidates > 0 || work.model.wants_whole_gallery();
  cut.rows = std::clamp<int64_t>(cut.queries / (whole ? 64 : 8), 1, whole ? 16 : 64);
  cut.columns = whole ? cut.gallery : std::clamp<int64_t>(cut.gallery / 8, 1, 256);
  return cut;
}

std::vector<int64_t> part_of(const std::vector<int64_t>& rows, int64_t first, int64_t count) {
  return {rows.begin() + first, rows.begin() + first + count};
}

std::vector<float> values_of(const at::Tensor& distances) {
  const at::Tensor plain = distances.to(at::kFloat).contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}

// Of each query, the gallery items that it sees (places in gallery_rows), by `features`.
class OrderByFeatures {
 public:
  explicit OrderByFeatures(const PairwiseWork& work)
      : work_(work),
        queries_{&work.queries, work.query_rows, false},
        gallery_{&work.gallery, work.gallery_rows, false} {}

  std::vector<std::vector<int64_t>> of(int64_t first, int64_t count) const {
    const std::vector<float> distances =
        exact_distances(queries_, first, count, gallery_, work_.threads);
    std::vector<std::vector<int64_t>> orders;
    for (int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(work_.query_rows[static_cast<size_t>(first + i)]);
      const float* far = distances.data() + i * gallery_.count();
      std::vector<int64_t> order;
      for (int64_t place = 0; place < gallery_.count(); ++place) {
        const GalleryItem& item = work_.items[static_cast<size_t>(place)];
        const bool same_view = item.identity == work_.queries.identity[row] &&
                               item.camera == work_.queries.camera[row];
        if (!item.ignored && !same_view) order.push_back(place);
      }
      std::stable_sort(order.begin(), order.end(),
                       [far](int64_t a, int64_t b) { return far[a] < far[b]; });
      orders.push_back(std::move(order));
    }
    return orders;
  }

 private:
  const PairwiseWork& work_;
  const ComparedVectors queries_, gallery_;
};

class Comparison {
 public:
  Comparison(const PairwiseWork& work, const Cut& cut)
      : work_(work), cut_(cut), by_features_(work) {
    if (work.candidates > 0 || !work.model.wants_whole_gallery()) return;
    const int64_t bytes = work.gallery.row_bytes() * cut.gallery;
    if (bytes > kMostWholeGallery) {
      throw common::InputError(
          work.gallery.name,
          "the network's own re-ranking wants the whole gallery at once, " +
              std::to_string(bytes >> 20) + " MiB",
          "switch it off and set scoring.rerank_candidates, which reads candidates alone");
    }
    whole_ = signature_rows(work.gallery, work.gallery_rows);
  }

  std::vector<float> block(size_t i) const {
    const at::NoGradGuard no_gradients;
    const int64_t first = cut_.first_row(i), count = cut_.row_count(i);
    if (work_.candidates > 0) return candidates(first, count);
    const models::Signature query =
        signature_rows(work_.queries, part_of(work_.query_rows, first, count));
    if (!whole_.empty()) return values_of(work_.model.distance(query, whole_));
    return values_of(work_.model.distance(
        query, signature_rows(work_.gallery, part_of(work_.gallery_rows, cut_.first_column(i),
                                                     cut_.column_count(i)))));
  }

  // Distances that rank a query's gallery as `values`, its row of blocks, say.
  std::vector<std::vector<float>> candidate_ranks(int64_t first, int64_t count,
                                                  const std::vector<float>& values) const {
    std::vector<std::vector<float>> ranks;
    const auto orders = by_features_.of(first, count);
    for (int64_t i = 0; i < count; ++i) {
      std::vector<int64_t> order = orders[static_cast<size_t>(i)];
      const float* far = values.data() + i * cut_.gallery;
      const auto judged = std::min(cut_.gallery, static_cast<int64_t>(order.size()));
      std::vector<std::pair<float, int64_t>> front;
      for (int64_t k = 0; k < judged; ++k)
        front.emplace_back(far[k], order[static_cast<size_t>(k)]);
      std::sort(front.begin(), front.end());
      for (int64_t k = 0; k < judged; ++k) {
        order[static_cast<size_t>(k)] = front[static_cast<size_t>(k)].second;
      }
      std::vector<float> ranked(work_.gallery_rows.size(), std::numeric_limits<float>::infinity());
      for (size_t k = 0; k < order.size(); ++k) {
        ranked[static_cast<size_t>(order[k])] = static_cast<float>(k);
      }
      ranks.push_back(std::move(ranked));
    }
    return ranks;
  }

 private:
  // Each query with the first of its own order; infinity behind the last that it sees.
  std::vector<float> candidates(int64_t first, int64_t count) const {
    std::vector<float> values(static_cast<size_t>(count * cut_.gallery),
                              std::numeric_limits<float>::infinity());
    const auto orders = by_features_.of(first, count);
    for (int64_t i = 0; i < count; ++i) {
      std::vector<int64_t> order = orders[static_cast<size_t>(i)];
      order.resize(std::min(order.size(), static_cast<size_t>(cut_.gallery)));
      if (order.empty()) continue;
      // Rows are read in ascending order; `places` leads back.
      std::vector<size_t> places(order.size());
      std::iota(places.begin(), places.end(), size_t{0});
      std::sort(places.begin(), places.end(),
                [&](size_t a, size_t b) { return order[a] < order[b]; });
      std::vector<int64_t> rows;
      for (const size_t place : places) {
        rows.push_back(work_.gallery_rows[static_cast<size_t>(order[place])]);
      }
      const std::vector<float> far = values_of(work_.model.distance(
          signature_rows(work_.queries, part_of(work_.query_rows, first + i, 1)),
          signature_rows(work_.gallery, rows)));
      for (size_t k = 0; k < places.size(); ++k) {
        values[static_cast<size_t>(i * cut_.gallery) + places[k]] = far[k];
      }
    }
    return values;
  }

  const PairwiseWork& work_;
  const Cut cut_;
  const OrderByFeatures by_features_;
  models::Signature whole_;
};

// The rows of blocks side by side: [rows of the cut, gallery].
std::vector<float> joined_rows(const KeptBlocks& blocks, const Cut& cut, int64_t down) {
  const auto first = static_cast<size_t>(down * cut.across());
  const int64_t rows = cut.row_count(first);
  std::vector<float> joined(static_cast<size_t>(rows * cut.gallery));
  for (int64_t across = 0; across < cut.across(); ++across) {
    const size_t block = first + static_cast<size_t>(across);
    const std::vector<float> values = blocks.read(block);
    const int64_t columns = cut.column_count(block);
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(values.begin() + row * columns, columns,
                  joined.begin() + row * cut.gallery + cut.first_column(block));
    }
  }
  return joined;
}

}  // namespace

bool compares_pairwise(const models::Model& model) {
  const auto* judge = dynamic_cast<const models::PairModel*>(&model);
  return judge != nullptr && judge->judges_pairs();
}

void rank_pairwise(const PairwiseWork& work, const std::filesystem::path& partial,
                   Communicator& communicator, common::ProgressSink& progress,
                   RankingMetrics& metrics) {
  const Cut cut = cut_of(work);
  const Comparison comparison(work, cut);
  const KeptBlocks blocks(partial, cut.sizes());
  blocks.complete(communicator, progress, [&](size_t i) { return comparison.block(i); });
  if (communicator.rank() != 0) return;
  for (int64_t down = 0; down < cut.down(); ++down) {
    const std::vector<float> values = joined_rows(blocks, cut, down);
    const int64_t first = down * cut.rows;
    const int64_t count = std::min(cut.rows, cut.queries - first);
    std::vector<std::vector<float>> ranks;
    if (work.candidates > 0) ranks = comparison.candidate_ranks(first, count, values);
    for (int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(work.query_rows[static_cast<size_t>(first + i)]);
      const float* far = work.candidates > 0 ? ranks[static_cast<size_t>(i)].data()
                                             : values.data() + i * cut.gallery;
      metrics.add_query(work.queries.identity[row], work.queries.camera[row], far);
    }
  }
}

}  // namespace muster::trainer

#include "trainer/nearest_nodes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "common/error.h"
#include "trainer/distance_bounds.h"
#include "trainer/exact_distance.h"
#include "trainer/matrix_threads.h"
#include "trainer/parallel_ranges.h"

namespace muster::trainer {
namespace {

constexpr int64_t kStripRows = 1024, kBlockRows = 2048;
constexpr int64_t kStripBytes = int64_t{64} << 20, kBlockBytes = int64_t{32} << 20;

// Bounds of a strip of nodes to all nodes.
struct StripBounds {
  int64_t first = 0, rows = 0, columns = 0;
  std::vector<float> lower, upper;  // [rows, columns]: of distances
};

void add_block(const VectorBlock& strip, const VectorBlock& block, int64_t column, int threads,
               StripBounds& bounds) {
  const DistanceBound bound = distance_bound(strip.features);
  for_ranges(strip.rows, threads, [&](int64_t from, int64_t to) {
    const at::NoGradGuard no_gradients;
    const int64_t rows = to - from, features = strip.features;
    for (int64_t variant = 0; variant < strip.variants; ++variant) {
      const auto view = [features](const std::vector<float>& values, int64_t first, int64_t count) {
        return at::from_blob(const_cast<float*>(values.data()) + first * features,
                             {count, features}, at::kFloat);
      };
      const at::Tensor products = at::mm(view(strip.centred, variant * strip.rows + from, rows),
                                         view(block.centred, variant * block.rows, block.rows).t())
                                      .contiguous();
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t place = (from + i) * bounds.columns + column;
        add_distance_bounds_of_row(
            bound, strip.squares[static_cast<size_t>(variant * strip.rows + from + i)],
            block.squares.data() + variant * block.rows,
            products.data_ptr<float>() + i * block.rows, block.rows, bounds.lower.data() + place,
            bounds.upper.data() + place);
      }
    }
  });
}

// One row of bounds, decided.
class RowSearch {
 public:
  RowSearch(const Nodes& nodes, const float* vector, const float* lower, const float* upper)
      : nodes_(nodes), vector_(vector), lower_(lower), upper_(upper) {}

  // Whatever may be among the k nearest has a lower bound within the k-th smallest upper bound.
  void nearest(int64_t k, int32_t* to) const {
    std::vector<float> limits(upper_, upper_ + nodes_.count());
    std::nth_element(limits.begin(), limits.begin() + (k - 1), limits.end());
    const float limit = widened(limits[static_cast<size_t>(k - 1)]);
    std::vector<std::pair<float, int32_t>> found;
    for (int64_t node = 0; node < nodes_.count(); ++node) {
      if (!(lower_[node] <= limit)) continue;
      found.emplace_back(static_cast<float>(distance(node)), static_cast<int32_t>(node));
    }
    std::partial_sort(found.begin(), found.begin() + k, found.end());
    for (int64_t i = 0; i < k; ++i) to[i] = found[static_cast<size_t>(i)].second;
  }

  double farthest() const {
    const float limit = *std::max_element(lower_, lower_ + nodes_.count());
    double result = 0;
    for (int64_t node = 0; node < nodes_.count(); ++node) {
      if (widened(upper_[node]) >= limit) result = std::max(result, distance(node));
    }
    return result;
  }

 private:
  // Sums of roots round, and floats of different distances may be equal.
  static float widened(float value) { return value * (1 + 1e-5f); }

  double distance(int64_t node) const {
    const std::vector<float> other = node_vector(nodes_, node);
    const FeatureTable& table = *nodes_.queries.table;
    return distance_over_variants(vector_, other.data(), table.variants, table.features);
  }

  const Nodes& nodes_;
  const float* vector_;
  const float* lower_;
  const float* upper_;
};

// Calls work(source, first row in it, rows, first node) for blocks of both sources.
template <typename Work>
void for_blocks(const Nodes& nodes, int64_t bytes, int64_t most, const Work& work) {
  int64_t node = 0;
  for (const ComparedVectors* source : {&nodes.queries, &nodes.gallery}) {
    const int64_t at_once = source->rows_within(bytes, most);
    for (int64_t first = 0; first < source->count(); first += at_once) {
      const int64_t rows = std::min(at_once, source->count() - first);
      work(*source, first, rows, node + first);
    }
    node += source->count();
  }
}

}  // namespace

std::vector<float> node_vector(const Nodes& nodes, int64_t node) {
  const bool query = node < nodes.queries.count();
  VectorBlock block;
  load_block(query ? nodes.queries : nodes.gallery, query ? node : node - nodes.queries.count(), 1,
             1, block);
  return std::move(block.exact);
}

Neighbours nearest_nodes(const Nodes& nodes, int64_t k, int threads,
                         const std::function<void(int64_t)>& told) {
  MUSTER_REQUIRE(k, <=, nodes.count());
  const OneThreadPerProduct by_rows;
  Neighbours result;
  result.nodes.resize(static_cast<size_t>(nodes.count() * k));
  result.farthest.resize(static_cast<size_t>(nodes.count()));
  std::vector<float> centre;
  const bool on_disk = nodes.queries.table->stored || nodes.gallery.table->stored;
  for_blocks(nodes, kStripBytes, kStripRows,
             [&](const ComparedVectors& source, int64_t first, int64_t rows, int64_t node) {
               VectorBlock strip;
               load_block(source, first, rows, threads, strip);
               if (centre.empty()) centre = centre_of(strip);
               centre_block(centre, threads, strip);
               StripBounds bounds{node, rows, nodes.count(), {}, {}};
               bounds.lower.assign(static_cast<size_t>(rows * bounds.columns), 0);
               bounds.upper = bounds.lower;
               for_blocks(
                   nodes, kBlockBytes, kBlockRows,
                   [&](const ComparedVectors& other, int64_t begin, int64_t count, int64_t column) {
                     VectorBlock block;
                     load_block(other, begin, count, threads, block);
                     centre_block(centre, threads, block);
                     add_block(strip, block, column, threads, bounds);
                   });
               for_ranges(rows, on_disk ? 1 : threads,
                          [&](int64_t from, int64_t to) {  // a file has one reader
                            for (int64_t i = from; i < to; ++i) {
                              const RowSearch search(nodes, strip.row(i),
                                                     bounds.lower.data() + i * bounds.columns,
                                                     bounds.upper.data() + i * bounds.columns);
                              search.nearest(k, result.nodes.data() + (node + i) * k);
                              result.farthest[static_cast<size_t>(node + i)] = search.farthest();
                            }
                          });
               told(node + rows);
             });
  return result;
}

}  // namespace muster::trainer

#include "trainer/vector_block.h"

#include <algorithm>

#include "trainer/exact_distance.h"
#include "trainer/parallel_ranges.h"

namespace muster::trainer {

int64_t ComparedVectors::rows_within(int64_t bytes, int64_t most) const {
  const int64_t row = table->row_size("features") * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(bytes / row, 1, most);
}

void load_block(const ComparedVectors& vectors, int64_t first, int64_t count, int threads,
                VectorBlock& block) {
  const FeatureTable& table = *vectors.table;
  block.rows = count;
  block.variants = table.variants;
  block.features = table.features;
  const int64_t row_size = table.row_size("features");
  block.exact.resize(static_cast<size_t>(count * row_size));
  const auto copy = [&](int64_t begin, int64_t end) {
    const auto start = vectors.rows.begin() + first;
    copy_rows(table, "features", {start + begin, start + end},
              block.exact.data() + begin * row_size);
  };
  if (table.stored) copy(0, count);  // a file has one reader
  for_ranges(count, threads, [&](int64_t begin, int64_t end) {
    if (!table.stored) copy(begin, end);
    if (!vectors.unit_length) return;
    make_unit_length(block.exact.data() + begin * row_size, (end - begin) * block.variants,
                     block.features);
  });
}

std::vector<float> centre_of(const VectorBlock& block) {
  const auto size = static_cast<size_t>(block.variants * block.features);
  std::vector<double> sums(size);
  for (int64_t row = 0; row < block.rows; ++row) {
    const float* values = block.row(row);
    for (size_t i = 0; i < size; ++i) sums[i] += static_cast<double>(values[i]);
  }
  std::vector<float> centre(size);
  for (size_t i = 0; i < size && block.rows > 0; ++i) {
    centre[i] = static_cast<float>(sums[i] / static_cast<double>(block.rows));
  }
  return centre;
}

void centre_block(const std::vector<float>& centre, int threads, VectorBlock& block) {
  block.centred.resize(block.exact.size());
  block.squares.resize(static_cast<size_t>(block.variants * block.rows));
  for_ranges(block.rows, threads, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t variant = 0; variant < block.variants; ++variant) {
        const float* from = block.row(row) + variant * block.features;
        const float* middle = centre.data() + variant * block.features;
        float* to = block.centred.data() + (variant * block.rows + row) * block.features;
        for (int64_t i = 0; i < block.features; ++i) to[i] = from[i] - middle[i];
        block.squares[static_cast<size_t>(variant * block.rows + row)] =
            static_cast<float>(squared_length(to, block.features));
      }
    }
  });
}

std::vector<float> exact_distances(const ComparedVectors& queries, int64_t first, int64_t count,
                                   const ComparedVectors& gallery, int threads) {
  constexpr int64_t kBytes = int64_t{32} << 20, kMostRows = 2048;
  VectorBlock query, items;
  load_block(queries, first, count, threads, query);
  std::vector<float> distances(static_cast<size_t>(count * gallery.count()));
  const int64_t at_once = gallery.rows_within(kBytes, kMostRows);
  for (int64_t begin = 0; begin < gallery.count(); begin += at_once) {
    load_block(gallery, begin, std::min(at_once, gallery.count() - begin), threads, items);
    for_ranges(items.rows, threads, [&](int64_t from, int64_t to) {
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t item = from; item < to; ++item) {
          distances[static_cast<size_t>(i * gallery.count() + begin + item)] =
              static_cast<float>(distance_over_variants(query.row(i), items.row(item),
                                                        query.variants, query.features));
        }
      }
    });
  }
  return distances;
}

}  // namespace muster::trainer

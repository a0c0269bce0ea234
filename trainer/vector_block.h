// Rows of `features` in the two forms that ranking wants them in.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/feature_file.h"

namespace muster::trainer {

// What of a table is compared, and how.
struct ComparedVectors {
  const FeatureTable* table = nullptr;  // not owned; has `features`
  std::vector<int64_t> rows;            // ascending
  bool unit_length = false;             // vectors are brought to unit length first (the cosine)

  int64_t count() const { return static_cast<int64_t>(rows.size()); }
  // As many rows as `bytes` have room for, at least 1 and at most `most`.
  int64_t rows_within(int64_t bytes, int64_t most) const;
};

struct VectorBlock {
  int64_t rows = 0, variants = 0, features = 0;
  std::vector<float> exact;    // [rows, variants, features]
  std::vector<float> centred;  // [variants, rows, features]: less the centre
  std::vector<float> squares;  // [variants, rows]: |centred|^2
  const float* row(int64_t i) const { return exact.data() + i * variants * features; }
};

// Rows [first, first + count) of `vectors`, `exact` alone, in `threads` threads. Throws
// SystemError.
void load_block(const ComparedVectors& vectors, int64_t first, int64_t count, int threads,
                VectorBlock& block);

// Mean of a block, [variants, features]; zeros for no rows.
std::vector<float> centre_of(const VectorBlock& block);

// Fills `centred` and `squares`.
void centre_block(const std::vector<float>& centre, int threads, VectorBlock& block);

// As they rank, float(distance_over_variants()): queries [first, first + count) to the whole
// gallery, [count, gallery]. One by one: for few queries.
std::vector<float> exact_distances(const ComparedVectors& queries, int64_t first, int64_t count,
                                   const ComparedVectors& gallery, int threads);

}  // namespace muster::trainer

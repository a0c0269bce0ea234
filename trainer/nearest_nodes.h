// The nearest neighbours of every vector among all vectors, exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "trainer/vector_block.h"

namespace muster::trainer {

// Queries first, then the gallery.
struct Nodes {
  const ComparedVectors& queries;
  const ComparedVectors& gallery;
  int64_t count() const { return queries.count() + gallery.count(); }
};

// One vector, [variants, features]: for single pairs.
std::vector<float> node_vector(const Nodes& nodes, int64_t node);

struct Neighbours {
  std::vector<int32_t> nodes;    // [count, k]: nearest first, equal ones in the order of nodes
  std::vector<double> farthest;  // [count]: the largest distance to any node
};

// Distances are float(distance_over_variants()), as in trainer/euclidean_ranks.h; k <= count.
// `told` gets the number of nodes that are done.
Neighbours nearest_nodes(const Nodes& nodes, int64_t k, int threads,
                         const std::function<void(int64_t)>& told);

}  // namespace muster::trainer

// Re-ranking with k-reciprocal nearest neighbours (Zhong, Zheng, Cao, Li: Re-ranking person
// re-identification with k-reciprocal encoding, CVPR 2017).
//
// Nodes are the queries and, behind them, the gallery without junk; a tracklet that is both is two
// nodes. d(p, g) is the squared distance, divided by p's largest to any node, so that lambda and
// the exponential do not depend on the features' scale. N(p, k): the k nearest nodes, p among them.
//   R(p, k)  = {g in N(p, k + 1): p in N(g, k + 1)}                                      (2)
//   R*(p)    = R(p, k1) and every R(q, k1 / 2), q in R(p, k1), of which two thirds or more
//              are in R(p, k1)                                                           (3)
//   V_p,g    = exp(-d(p, g)) for g in R*(p), else 0                                      (7)
//   V_p      = mean of V_g over g in N(p, k2)                                           (11)
//   d_J(p,g) = 1 - sum min(V_p, V_g) / sum max(V_p, V_g)                                (10)
//   d*(p,g)  = (1 - lambda) d_J(p, g) + lambda d(p, g)                                  (12)
#pragma once

#include "common/progress_sink.h"
#include "proto/experiment.pb.h"
#include "trainer/ranking_metrics.h"
#include "trainer/vector_block.h"

namespace muster::trainer {

// Feeds every query to `metrics`, whose items are those of `items`; gallery.rows are the ones among
// them that are not ignored, in the same order. Memory grows with nodes times neighbours: V is
// sparse; for MARS about 250 MiB besides the table. Throws InputError if a setting is out of range.
void rank_reciprocally(const ComparedVectors& queries, const ComparedVectors& gallery,
                       const std::vector<GalleryItem>& items, const proto::KReciprocal& settings,
                       int threads, common::ProgressSink& progress, RankingMetrics& metrics);

}  // namespace muster::trainer

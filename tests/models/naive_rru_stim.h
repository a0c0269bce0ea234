// RRU, STIM and the classifier block as their specification says them, in plain loops over doubles:
// what the network's tests compare with.
#pragma once

#include <map>
#include <string>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::models::naive_rru {

// Weights and running statistics of a module by name, float64 and contiguous. In training the naive
// forms update the running statistics here, as the module does its own.
using NaiveWeights = std::map<std::string, at::Tensor>;

// Copies.
NaiveWeights naive_weights(const NamedTensors& parameters, const NamedTensors& buffers);
// Of the names that begin with `prefix`, without it.
NaiveWeights naive_part(const NaiveWeights& weights, const std::string& prefix);

// X [frames, clips, places, channels] -> S.
at::Tensor naive_refinement(NaiveWeights& weights, proto::RruStim::Refinement gate,
                            const at::Tensor& maps, bool training);
// [frames, clips, height, width, channels] -> [clips, features]
at::Tensor naive_integration(NaiveWeights& weights, const at::Tensor& maps, bool training);
// Without dropout: [clips, features] -> [clips, identities].
at::Tensor naive_classifier(NaiveWeights& weights, const at::Tensor& features, double leak,
                            bool training);
// Inception-v3's auxiliary classifier on [rows, channels, side, side], side below 17, as it is when
// not training.
at::Tensor naive_auxiliary(const NaiveWeights& weights, const at::Tensor& middle);

}  // namespace muster::models::naive_rru

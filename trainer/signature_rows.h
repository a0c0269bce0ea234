// A network's view of a feature table.
#pragma once

#include <cstdint>
#include <vector>

#include "models/model.h"
#include "trainer/feature_file.h"

namespace muster::trainer {

// Rows of every tensor, [rows, (variants,) ...]; the axis of variants is there if there are
// several.
models::Signature signature_rows(const FeatureTable& table, const std::vector<int64_t>& rows);

// The same rows with the network's single vectors (Model::representation) as `features`, in place
// of the tensors that they are made of. Throws InputError naming the table if the network compares
// no single vectors, or if it lacks a tensor that they are made of.
FeatureTable represented(const FeatureTable& table, const models::Model& model);

}  // namespace muster::trainer

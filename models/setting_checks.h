// What the settings of every network must satisfy alike.
#pragma once

#include <google/protobuf/message.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace muster::models {

// Of one layer: 8 GiB of float32.
constexpr int64_t kMostWeights = int64_t{1} << 31;

// Throws InputError "FIELD: VALUE is not RANGE" unless `holds`.
void demand_setting(bool holds, const std::string& field, double value, const std::string& range);

// Throws InputError naming "PREFIX.FIELD" if one of `fields` is set in `settings`, be it to its
// default; `because` says why nothing would read it.
void refuse_without_effect(const google::protobuf::Message& settings, const std::string& prefix,
                           std::initializer_list<const char*> fields, const std::string& because,
                           const std::string& remedy = "leave it out");

// Throws InputError naming "PREFIX.FIELD", FIELD the first of `fields`, and the others, on which
// the sizes of a layer depend, if the product of the sizes is above kMostWeights. To be called
// before the layer is made; sizes are positive.
void demand_layer_size(const std::string& prefix, const std::vector<std::string>& fields,
                       std::initializer_list<int64_t> sizes);

}  // namespace muster::models

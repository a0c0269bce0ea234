// What PRID-2011 and iLIDS-VID are published with.
#pragma once

#include <cstdint>

namespace muster::datastore {

// Random halves, of either dataset.
constexpr int kOfficialSplits = 10;

// PRID-2011's numbers up to this one are the same person in both cameras; above it each camera
// numbers its own strangers, and muster moves camera b's up by the offset.
constexpr int32_t kPridCommonPersons = 200, kPridStrangerOffset = 10000;

// PRID-2011's halves divide the persons with so many frames in both cameras.
constexpr int32_t kPridFewestFrames = 27;

}  // namespace muster::datastore

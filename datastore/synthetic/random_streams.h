// Names every draw of the synthetic worlds, so that no frame depends on the order of work.
#pragma once

#include "common/keyed_random.h"

namespace muster::datastore {

enum class Purpose : uint64_t {
  kPlan = 1,
  kAppearance,
  kCamera,
  kTracklet,
  kScene,
  kOccluders,
  kEffects,
  kFrame,
  kNoise,
  kBoxes,
};

inline common::KeyedRandom random_stream(uint64_t seed, uint64_t person, uint64_t camera,
                                         uint64_t frame, Purpose purpose) {
  return common::KeyedRandom(
      common::combined_key({seed, person, camera, frame, static_cast<uint64_t>(purpose)}));
}

}  // namespace muster::datastore

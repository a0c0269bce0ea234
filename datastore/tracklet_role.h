// What a tracklet is for. The same bits stand in shards (the dataset's own fixed split) and in
// feature files (the protocol's).
#pragma once

#include <cstdint>

namespace muster::datastore {

enum Role : int32_t {
  kRoleNone = 0,
  kRoleQuery = 1,
  kRoleGallery = 2,
  kRoleDistractor = 4,
  kRoleJunk = 8,
  kRoleTrain = 16,
};

}  // namespace muster::datastore

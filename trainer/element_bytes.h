// Size of a communicator's element types.
#pragma once

#include <cstddef>

#include "trainer/communicator.h"

namespace muster::trainer {

inline size_t element_bytes(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return 4;
    case ElementType::kFloat64:
    case ElementType::kInt64:
      return 8;
    case ElementType::kByte:
      break;
  }
  return 1;
}

}  // namespace muster::trainer

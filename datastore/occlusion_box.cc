#include "datastore/occlusion_box.h"

#include <algorithm>

#include "common/keyed_random.h"

namespace muster::datastore {

std::vector<PixelBox> occlusion_boxes(const OcclusionOptions& options, int32_t tracklet,
                                      const std::vector<int32_t>& frames, int frame_height,
                                      int frame_width) {
  std::vector<PixelBox> boxes;
  if (options.size <= 0) return boxes;
  constexpr uint64_t kOcclusion = 0x6F63636C75646564ull;  // keeps these draws apart from others
  const int height = std::min(options.size, frame_height);
  const int width = std::min(options.size, frame_width);
  for (const int32_t frame : frames) {
    common::KeyedRandom random(common::combined_key(
        {kOcclusion, options.seed, static_cast<uint64_t>(tracklet), static_cast<uint64_t>(frame)}));
    PixelBox box;
    box.y = static_cast<int32_t>(random.below(static_cast<uint64_t>(frame_height - height) + 1));
    box.x = static_cast<int32_t>(random.below(static_cast<uint64_t>(frame_width - width) + 1));
    box.height = height;
    box.width = width;
    boxes.push_back(box);
  }
  return boxes;
}

}  // namespace muster::datastore

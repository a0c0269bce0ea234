#include "trainer/packed_batch.h"

#include <cstring>
#include <vector>

#include "datastore/clip_transform.h"

namespace muster::trainer {
namespace {

constexpr size_t kPartAlignment = 16;

template <typename T>
void write_part(const T* data, size_t count, uint8_t* target) {
  if (count > 0) std::memcpy(target, data, count * sizeof(T));
}

}  // namespace

PackedLayout packed_layout(const datastore::LoadedBatch& batch, const ClipDecisions& decisions) {
  PackedLayout layout;
  const auto place = [&](size_t bytes) {
    const size_t begin = layout.bytes;
    layout.bytes += (bytes + kPartAlignment - 1) / kPartAlignment * kPartAlignment;
    return begin;
  };
  const auto clips = static_cast<size_t>(batch.share.end - batch.share.begin);
  layout.has_boxes = !decisions.boxes.empty();
  layout.windows = place(clips * sizeof(datastore::ClipWindow));
  layout.boxes = place(decisions.boxes.size() * sizeof(datastore::PixelBox));
  layout.labels = place(clips * sizeof(int64_t));
  layout.joints = place(batch.joints.size() * sizeof(datastore::Joint));
  layout.rgb = place(batch.rgb.size());
  layout.flow = place(batch.flow.size());
  return layout;
}

void pack_batch(const datastore::LoadedBatch& batch, const datastore::ClipFormat& format,
                const ClipDecisions& decisions, const PackedLayout& layout, uint8_t* memory) {
  const auto first = static_cast<size_t>(batch.share.begin);
  const size_t clips = decisions.windows.size();
  write_part(decisions.windows.data(), clips, memory + layout.windows);
  write_part(decisions.boxes.data(), decisions.boxes.size(), memory + layout.boxes);
  std::vector<int64_t> labels;
  for (size_t clip = 0; clip < clips; ++clip) labels.push_back(batch.global[first + clip].label);
  write_part(labels.data(), clips, memory + layout.labels);
  if (format.joints) {
    std::vector<datastore::Joint> joints(batch.joints.size());
    const size_t of_clip = static_cast<size_t>(batch.frames) * datastore::kJointCount;
    for (size_t clip = 0; clip < clips; ++clip) {
      apply_joint_transform(batch.clip(static_cast<int64_t>(clip)), format,
                            batch.global[first + clip].transform, joints.data() + clip * of_clip);
    }
    write_part(joints.data(), joints.size(), memory + layout.joints);
  }
  write_part(batch.rgb.data(), batch.rgb.size(), memory + layout.rgb);
  write_part(batch.flow.data(), batch.flow.size(), memory + layout.flow);
}

ClipKernelBatch batch_at(const uint8_t* memory, const PackedLayout& layout, int64_t clips,
                         float* values) {
  ClipKernelBatch batch;
  batch.clips = clips;
  batch.rgb = memory + layout.rgb;
  batch.flow = reinterpret_cast<const int8_t*>(memory + layout.flow);
  batch.windows = reinterpret_cast<const datastore::ClipWindow*>(memory + layout.windows);
  if (layout.has_boxes) {
    batch.boxes = reinterpret_cast<const datastore::PixelBox*>(memory + layout.boxes);
  }
  batch.values = values;
  return batch;
}

}  // namespace muster::trainer

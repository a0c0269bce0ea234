// Everything of a rank's share that a GPU gets, in one stretch of memory: one copy a step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "datastore/clip_loader.h"
#include "trainer/clip_kernel_plan.h"

namespace muster::trainer {

// Where the parts lie, bytes from the beginning, each at a multiple of 16.
struct PackedLayout {
  size_t windows = 0, boxes = 0, labels = 0, joints = 0, rgb = 0, flow = 0;
  size_t bytes = 0;  // in all
  bool has_boxes = false;
};

PackedLayout packed_layout(const datastore::LoadedBatch& batch, const ClipDecisions& decisions);

// Writes layout.bytes to `memory`: windows, boxes, int64 labels, joints in pixels of the window
// (which this computes, if the format has joints), rgb, flow.
void pack_batch(const datastore::LoadedBatch& batch, const datastore::ClipFormat& format,
                const ClipDecisions& decisions, const PackedLayout& layout, uint8_t* memory);

// The parts as the clip transform wants them, for a copy of the packed bytes at `memory`.
ClipKernelBatch batch_at(const uint8_t* memory, const PackedLayout& layout, int64_t clips,
                         float* values);

}  // namespace muster::trainer

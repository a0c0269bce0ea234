// What the clip transform of GPUs needs beside the bytes: one plan per training, one packed batch
// per step.
#pragma once

#include <vector>

#include "datastore/clip_loader.h"
#include "datastore/shard_format.h"
#include "trainer/clip_kernel_types.h"
#include "trainer/resampling_taps.h"

namespace muster::trainer {

// The format of a network's clips from frames of this geometry, and the tables of its resampling.
struct ClipKernelPlan {
  ClipKernelFormat format;  // resampling's pointers are not set
  ResamplingTables colour, flow;
};

// Requires flow in the geometry if the format has it.
ClipKernelPlan clip_kernel_plan(const datastore::FrameGeometry& geometry, int frames,
                                const datastore::ClipFormat& format);

// All tables, one after the other; copied to a device as they are. Each begins at a multiple of
// kTableAlignment bytes.
constexpr size_t kTableAlignment = 16;
std::vector<uint8_t> packed_tables(const ClipKernelPlan& plan);
// The plan's format with tables as packed_tables laid them out, now at `tables`.
ClipKernelFormat format_with_tables(const ClipKernelPlan& plan, const uint8_t* tables);

// What chance decided for a rank's clips.
struct ClipDecisions {
  std::vector<datastore::ClipWindow> windows;  // [clips]
  std::vector<datastore::PixelBox> boxes;      // [clips, frames], or none
};

// Requires windows inside the resized frame and boxes inside the frame, of all clips or of none.
ClipDecisions clip_decisions(const datastore::LoadedBatch& batch, const ClipKernelFormat& format);

}  // namespace muster::trainer

// Threads that render the parts of a world.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/progress_sink.h"

namespace muster::datastore {

// Renders one part; calls its argument after each frame and stops early once that returns false.
using RenderingTask = std::function<void(const std::function<bool()>& frame_done)>;

// Runs all tasks, each on one of `jobs` threads, and tells frames to `progress` from the calling
// thread. Rethrows the first failure once all threads have stopped.
void render_all(const std::vector<RenderingTask>& tasks, int jobs, common::ProgressSink& progress);

}  // namespace muster::datastore

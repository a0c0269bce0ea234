// Renders the film of one camera.
#pragma once

#include <filesystem>
#include <functional>
#include <opencv2/core.hpp>
#include <vector>

#include "datastore/synthetic/film_plan.h"

namespace muster::datastore {

// Where somebody is in a frame: pixels of the picture, which the box may leave.
struct WalkBox {
  int frame = 0;    // of the film, from 0
  size_t walk = 0;  // of the plan
  cv::Rect2d box;
};

// Writes the pictures or the video below `root`, in the place that the layout of `world` has for
// it, and gives all boxes by frame. Depends on the arguments alone. Calls `frame_done` after each
// frame; rendering stops early, with frames missing, once it returns false. Throws SystemError.
std::vector<WalkBox> render_film(const WorldTraits& world, uint64_t seed, const FilmPlan& plan,
                                 const std::filesystem::path& root,
                                 const std::function<bool()>& frame_done);

// Keeps FFmpeg from printing lines of its own. To be called before threads render.
void silence_video_encoder();

}  // namespace muster::datastore

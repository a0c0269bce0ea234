#include "datastore/dataset_catalog.h"

#include "datastore/mot_reader.h"
#include "datastore/video_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

VideoOptions video_options(const DatasetOptions& options) {
  VideoOptions video;
  video.frame_height = options.frame_height;
  video.frame_width = options.frame_width;
  video.jobs = options.jobs;
  video.on_error = options.on_error;
  return video;
}

}  // namespace

const std::vector<LayoutEntry>& layout_catalog() {
  static const std::vector<LayoutEntry> catalog = {
      {"mars", "MARS: bbox_{train,test}/<id>/*.jpg and info/*.mat", 256, 128, open_mars},
      {"prid2011", "PRID-2011: multi_shot/cam_{a,b}/person_NNNN/*.png", 128, 64, open_prid2011},
      {"ilids-vid", "iLIDS-VID: sequences/cam{1,2}/personNNN/*.png", 128, 64, open_ilids_vid},
      {"sdu-vid", "SDU-VID: sequences/cam{1,2}/<person>/*", 128, 64, open_sdu_vid},
      {"mot", "MOTChallenge: a sequence (img1/ or a video, gt/gt.txt or det/det.txt), or several",
       128, 64,
       [](const fs::path& input, const DatasetOptions& options, common::ProgressSink& progress) {
         return open_mot(input, video_options(options), progress);
       }},
      {"video", "a video or a folder of them: people are detected and tracked, or NAME.boxes.csv",
       128, 64,
       [](const fs::path& input, const DatasetOptions& options, common::ProgressSink& progress) {
         return open_video(input, video_options(options), progress);
       }},
  };
  return catalog;
}

}  // namespace muster::datastore

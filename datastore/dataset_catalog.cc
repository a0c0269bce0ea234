#include "datastore/dataset_catalog.h"

#include "datastore/video_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;

const std::vector<LayoutEntry>& layout_catalog() {
  static const std::vector<LayoutEntry> catalog = {
      {"mars", "MARS: bbox_{train,test}/<id>/*.jpg and info/*.mat", 256, 128, open_mars},
      {"prid2011", "PRID-2011: multi_shot/cam_{a,b}/person_NNNN/*.png", 128, 64, open_prid2011},
      {"ilids-vid", "iLIDS-VID: sequences/cam{1,2}/personNNN/*.png", 128, 64, open_ilids_vid},
      {"sdu-vid", "SDU-VID: sequences/cam{1,2}/<person>/*", 128, 64, open_sdu_vid},
      {"video", "one video file: people are detected and tracked", 128, 64,
       [](const fs::path& input, const DatasetOptions& options, common::ProgressSink& progress) {
         VideoOptions video;
         video.frame_height = options.frame_height;
         video.frame_width = options.frame_width;
         video.jobs = options.jobs;
         return open_video(input, video, progress);
       }},
  };
  return catalog;
}

}  // namespace muster::datastore

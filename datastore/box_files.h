// Boxes of people, and who they are, from the files beside footage. docs/guides/datasets.md shows
// each form.
//
// A row that cannot be used is a fault that names file and line: it ends the work, or, where faults
// are to be skipped, its whole track is left out (the row alone where it does not say its track).
// Faults: a cell that is no finite number, frames and tracks below 1, a box smaller than a pixel,
// a frame that is not behind the track's frame before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "datastore/fault_list.h"
#include "datastore/person_detector.h"

namespace muster::datastore {

struct FilmedBox {
  int64_t frame = 0;  // from 0
  PersonBox box;      // the picture's upper left corner is 0, 0
  int64_t line = 0;   // of its file; 0 if the detector found it
};

// One person under one camera, by rising frame; there may be gaps.
struct FilmedTrack {
  int32_t number = 0;  // from 1
  std::vector<FilmedBox> boxes;
};

// "frame,track,left,top,width,height" with that heading. Tracks by rising number.
std::vector<FilmedTrack> read_box_file(const std::filesystem::path& path, FaultList& faults);

// MOTChallenge's gt.txt: frame, id, left, top, width, height, 0 to pass over[, class,
// visibility], without heading; corners count from 1. Only pedestrians (class 1) that are not
// passed over. Ten columns are the form of 2015, without class.
std::vector<FilmedTrack> read_mot_truth(const std::filesystem::path& path, FaultList& faults);

// MOTChallenge's det.txt: the same first six columns, in any order, whose ids do not count, nor do
// their confidences: each detector has its own scale. By frame.
std::map<int64_t, std::vector<FilmedBox>> read_mot_detections(const std::filesystem::path& path,
                                                              FaultList& faults);

struct ListedTrack {
  std::string video;  // a file of the folder
  int32_t track = 0, identity = 0;
  int16_t camera = 0;
  std::string place;  // "identities.csv line 3"
};

// "video,track,identity,camera" with that heading, all numbers from 1. A track that is listed twice
// is a fault.
std::vector<ListedTrack> read_identities_file(const std::filesystem::path& path, FaultList& faults);

}  // namespace muster::datastore

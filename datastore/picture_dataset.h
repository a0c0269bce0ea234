// A dataset of picture files: what every layout but film comes down to. A layout says which
// tracklets there are and where their pictures lie; reading them is the same for all.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/fault_list.h"

namespace muster::datastore {

// Many short names in one block of memory: MARS has 1.2 million.
class PackedNames {
 public:
  void add(std::string_view name) {
    characters_ += name;
    ends_.push_back(characters_.size());
  }
  size_t size() const { return ends_.size(); }
  std::string_view at(size_t index) const {
    const size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(characters_).substr(begin, ends_[index] - begin);
  }

 private:
  std::string characters_;
  std::vector<size_t> ends_;
};

// Frame i of the tracklet is the file ROOT/folder/names[first_name + i].
struct PictureTracklet {
  TrackletDescription description;
  std::filesystem::path folder;  // relative to the root
  size_t first_name = 0;
};

struct PictureDataset {
  std::filesystem::path root;
  DatasetFacts facts;
  std::vector<PictureTracklet> tracklets;
  PackedNames names;
};

// Joints come from ROOT/joints/<description.name>.csv where that exists (the synthetic worlds write
// it). ROOT/muster-synthetic.json marks rendered data. `faults` are what was left out. Throws
// InputError naming the root if there are no tracklets.
std::unique_ptr<DatasetReader> picture_dataset_reader(PictureDataset dataset,
                                                      const FaultList& faults,
                                                      common::ProgressSink& progress);

// True for names that end in .png, .jpg, .jpeg or .bmp in any case and do not begin with a dot.
bool is_picture_name(const std::string& name);

// Sub-folders of `directory` sorted by name; throws InputError naming it if it is missing,
// SystemError if it cannot be listed.
std::vector<std::filesystem::path> sorted_folders(const std::filesystem::path& directory);

// Names of the pictures in `directory`, sorted; throws as sorted_folders does.
std::vector<std::string> sorted_pictures(const std::filesystem::path& directory);

// The number that a name ends in ("person_0012" -> 12, "cam1_00031" -> 31), or -1.
int64_t trailing_number(const std::string& name);

}  // namespace muster::datastore

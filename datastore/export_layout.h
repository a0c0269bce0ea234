// Where the tracklets of a store lie in a layout that people exchange.
#pragma once

#include <string>
#include <vector>

#include "datastore/new_folder.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

// Frame i (from 0) is FOLDER/PREFIX<i + 1, padded with zeros to `digits`>.EXTENSION.
struct TrackletPlace {
  std::string folder;
  std::string prefix;
  int digits = 0;
  std::string joints;  // the file with the joints, if there are any
  std::string picture_name(int64_t frame, const std::string& extension) const;
};

struct ExportLayout {
  std::string name;  // as muster ingest knows it
  // One per tracklet, in the store's order, no two the same. Throws InputError naming the store if
  // a tracklet has no place in the layout.
  std::vector<TrackletPlace> (*places)(const TrackletStore& store);
  // Folders that must exist, and what the dataset is published with. `extension` is that of the
  // pictures. Throws SystemError.
  void (*write_lists)(const TrackletStore& store, const std::vector<TrackletPlace>& places,
                      const std::string& extension, NewFolder& folder);
};

ExportLayout mars_export();
ExportLayout prid2011_export();
ExportLayout ilids_vid_export();
ExportLayout sdu_vid_export();  // of videos too

// Writes a table and reads it back. Throws SystemError.
void write_table(NewFolder& folder, const std::string& name, const std::string& variable,
                 size_t rows, size_t columns, const std::vector<int32_t>& values);

}  // namespace muster::datastore

// MARS as its publishers lay it out: ROOT/bbox_{train,test}/<id>/*.jpg, and the tables in ROOT/info
// that say which frames make a tracklet and which tracklets ask.
#include <set>

#include "common/error.h"
#include "datastore/dataset_catalog.h"
#include "datastore/mars_names.h"
#include "datastore/matlab_reader.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

constexpr char kRemedy[] = "fetch the files of info/ that belong to these folders";

// One of the two halves: its names are [first_name, end_name) of the dataset's.
struct MarsPart {
  std::string name;  // "train" or "test"
  size_t first_name = 0, end_name = 0;
  size_t tracklets = 0;
  std::string folder() const { return "bbox_" + name; }
};

InputError misfit(const fs::path& table, size_t row, const std::string& problem) {
  return InputError(table.string(), "row " + std::to_string(row + 1) + " " + problem, kRemedy);
}

class MarsReader {
 public:
  MarsReader(const fs::path& root, OnError on_error, common::ProgressSink& progress)
      : faults_(on_error, root), progress_(progress) {
    dataset_.root = root;
    dataset_.facts.layout = "mars";
    dataset_.facts.origin = "tracklets in the mars layout";
  }

  std::unique_ptr<DatasetReader> open() {
    add_part(train_);
    add_part(test_);
    const size_t queries = mark_queries();
    auto reader = picture_dataset_reader(std::move(dataset_), faults_, progress_);
    if (!reader->facts().synthetic) compare_with_published(*reader, queries);
    return reader;
  }

 private:
  void add_part(MarsPart& part) {
    part.first_name = dataset_.names.size();
    add_mars_names(dataset_.root, part.name, dataset_.names, faults_, progress_);
    part.end_name = dataset_.names.size();
    const fs::path table = dataset_.root / "info" / ("tracks_" + part.name + "_info.mat");
    const IntegerMatrix rows = read_matlab_matrix(table, "track_" + part.name + "_info", 4);
    part.tracklets = rows.rows;
    int64_t end = 0;  // of the row before
    for (size_t row = 0; row < rows.rows; ++row) {
      check_place(part, table, row, end, rows.at(row, 0), rows.at(row, 1));
      end = rows.at(row, 1);
      const MarsName said{static_cast<int32_t>(rows.at(row, 2)),
                          static_cast<int16_t>(rows.at(row, 3)), 0};
      if (said.identity != rows.at(row, 2) || said.camera != rows.at(row, 3)) {
        throw misfit(table, row, "holds an identity or camera that cannot be");
      }
      add_tracklet(part, table, row, rows.at(row, 0) - 1, end, said);
    }
    const size_t names = part.end_name - part.first_name;
    if (static_cast<size_t>(end) != names) {
      throw InputError(table.string(),
                       "its " + std::to_string(rows.rows) + " rows end at name " +
                           std::to_string(end) + " of " + std::to_string(names),
                       kRemedy);
    }
    tell_of_mixed_rows(table);
    list_folders_without_names(part);
  }

  // Rows follow each other without a gap and stay within the names.
  void check_place(const MarsPart& part, const fs::path& table, size_t row, int64_t end_before,
                   int64_t first, int64_t last) const {
    const auto names = static_cast<int64_t>(part.end_name - part.first_name);
    if (first != end_before + 1) {
      throw misfit(table, row,
                   "begins at name " + std::to_string(first) + ", the row before ends at " +
                       std::to_string(end_before));
    }
    if (last < first || last > names) {
      throw misfit(table, row,
                   "ends at name " + std::to_string(last) + ", it begins at " +
                       std::to_string(first) + " and there are " + std::to_string(names) +
                       " names");
    }
  }

  // Frames [first, end) of the part.
  void add_tracklet(const MarsPart& part, const fs::path& table, size_t row, int64_t first,
                    int64_t end, const MarsName& said) {
    PictureTracklet tracklet;
    tracklet.first_name = part.first_name + static_cast<size_t>(first);
    const std::string_view first_name = dataset_.names.at(tracklet.first_name);
    const int32_t number = mars_name(first_name)->tracklet;
    bool mixed =
        !numbers_.insert({part.name == "train", said.identity, said.camera, number}).second;
    for (size_t i = tracklet.first_name; i < part.first_name + static_cast<size_t>(end); ++i) {
      const MarsName name = *mars_name(dataset_.names.at(i));
      if (name.identity != said.identity || name.camera != said.camera) {
        throw misfit(table, row,
                     "says identity " + std::to_string(said.identity) + " under camera " +
                         std::to_string(said.camera) + ", but its picture is " +
                         std::string(dataset_.names.at(i)));
      }
      mixed = mixed || name.tracklet != number;
    }
    if (mixed && mixed_rows_++ == 0) first_mixed_row_ = row;
    if (part.name == "train" && said.identity < 1) {
      throw misfit(
          table, row,
          "has identity " + std::to_string(said.identity) + ", which is nobody to train on");
    }
    tracklet.folder = fs::path(part.folder()) / first_name.substr(0, kMarsLabelLength);
    tracklet.description = {said.identity,
                            said.camera,
                            number,
                            end - first,
                            (tracklet.folder / first_name.substr(0, kMarsTrackletLength)).string(),
                            role_of(part, said.identity)};
    dataset_.tracklets.push_back(std::move(tracklet));
  }

  static int32_t role_of(const MarsPart& part, int32_t identity) {
    if (part.name == "train") return kRoleTrain;
    if (identity == 0) return kRoleGallery | kRoleDistractor;
    return identity < 0 ? kRoleGallery | kRoleJunk : kRoleGallery;
  }

  // The publishers never say that rows follow the tracklet numbers, so this only is told.
  void tell_of_mixed_rows(const fs::path& table) {
    if (mixed_rows_ > 0) {
      progress_.note(
          table.string() + ": " + std::to_string(mixed_rows_) +
          " rows do not follow the tracklet numbers in the file names, the first is row " +
          std::to_string(first_mixed_row_ + 1));
    }
    mixed_rows_ = 0;
    numbers_.clear();
  }

  void list_folders_without_names(const MarsPart& part) {
    std::set<std::string, std::less<>> labels;
    for (size_t i = part.first_name; i < part.end_name; ++i) {
      const std::string_view label = dataset_.names.at(i).substr(0, kMarsLabelLength);
      if (labels.find(label) == labels.end()) labels.emplace(label);
    }
    for (const fs::path& folder : sorted_folders(dataset_.root / part.folder())) {
      if (labels.count(folder.filename().string()) > 0) continue;
      faults_.leave_out(folder.string(), "no tracklet of info/ lies in this folder",
                        "remove the folder");
    }
  }

  size_t mark_queries() {
    const fs::path table = dataset_.root / "info" / "query_IDX.mat";
    const IntegerMatrix rows = read_matlab_matrix(table, "query_IDX");
    if (rows.rows > 1 && rows.columns > 1) {
      throw InputError(table.string(),
                       "holds " + std::to_string(rows.rows) + " x " + std::to_string(rows.columns) +
                           " numbers instead of one row",
                       kRemedy);
    }
    for (size_t query = 0; query < rows.values.size(); ++query) {
      const int64_t row = rows.values[query];
      if (row < 1 || row > static_cast<int64_t>(test_.tracklets)) {
        throw misfit(
            table, query,
            "asks for tracklet " + std::to_string(row) + " of " + std::to_string(test_.tracklets));
      }
      TrackletDescription& tracklet =
          dataset_.tracklets[train_.tracklets + static_cast<size_t>(row) - 1].description;
      if (tracklet.identity < 1) {
        throw misfit(table, query, "asks for " + tracklet.name + ", which shows nobody known");
      }
      if ((tracklet.role & kRoleQuery) != 0) {
        throw misfit(table, query, "asks for " + tracklet.name + " a second time");
      }
      tracklet.role |= kRoleQuery;
    }
    return rows.values.size();
  }

  void compare_with_published(const DatasetReader& reader, size_t queries) const {
    constexpr size_t kTrain = 8298, kTest = 12180, kQueries = 1980, kTrainIdentities = 625;
    std::set<int32_t> identities;
    for (size_t i = 0; i < train_.tracklets; ++i) identities.insert(reader.tracklets()[i].identity);
    if (train_.tracklets == kTrain && test_.tracklets == kTest && queries == kQueries &&
        identities.size() == kTrainIdentities) {
      return;
    }
    progress_.note("this is not the whole of MARS: " + std::to_string(identities.size()) +
                   " identities in " + std::to_string(train_.tracklets) +
                   " tracklets train (published: 625 in 8298), " + std::to_string(test_.tracklets) +
                   " tracklets test (12180), " + std::to_string(queries) + " ask (1980)");
  }

  PictureDataset dataset_;
  MarsPart train_{"train"}, test_{"test"};
  FaultList faults_;
  common::ProgressSink& progress_;
  std::set<std::tuple<bool, int32_t, int16_t, int32_t>> numbers_;  // of the part, seen so far
  size_t mixed_rows_ = 0, first_mixed_row_ = 0;
};

}  // namespace

std::unique_ptr<DatasetReader> open_mars(const fs::path& root, const DatasetOptions& options,
                                         common::ProgressSink& progress) {
  return MarsReader(root, options.on_error, progress).open();
}

}  // namespace muster::datastore

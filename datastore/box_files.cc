#include "datastore/box_files.h"

#include <cmath>
#include <optional>
#include <set>

#include "datastore/table_file.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr double kFarPixels = 1e6;

struct RowFault {
  std::string problem, remedy;
};

// Columns of a row in order: frame, track, left, top, width, height.
struct BoxRow {
  std::optional<int32_t> track;
  FilmedBox box;
  std::optional<RowFault> fault;
};

RowFault no_number(const char* column, std::string_view cell) {
  return {std::string(column) + " is '" + std::string(cell) + "', not a number", "mend the row"};
}

// `first_pixel` is the coordinate of the picture's first column and row.
BoxRow box_row_of(const TableRow& row, float first_pixel) {
  BoxRow result;
  result.box.line = row.line;
  if (row.cells.size() < 6) {
    result.fault = {"has " + std::to_string(row.cells.size()) + " columns instead of at least 6",
                    "mend the row"};
    return result;
  }
  result.track = whole_number_in(row.cells[1]);
  const std::optional<int32_t> frame = whole_number_in(row.cells[0]);
  if (!frame) result.fault = no_number("frame", row.cells[0]);
  if (frame && *frame < 1) result.fault = {"frame is below 1", "frames count from 1"};
  if (frame) result.box.frame = *frame - 1;
  const char* const names[] = {"left", "top", "width", "height"};
  float* const places[] = {&result.box.box.x, &result.box.box.y, &result.box.box.width,
                           &result.box.box.height};
  for (size_t column = 0; column < 4 && !result.fault; ++column) {
    const std::string_view cell = row.cells[column + 2];
    const std::optional<double> value = number_in(cell);
    if (!value) result.fault = no_number(names[column], cell);
    if (value && std::abs(*value) > kFarPixels) {
      result.fault = {std::string(names[column]) + " is out of range", "boxes are in pixels"};
    }
    *places[column] = static_cast<float>(value.value_or(0));
  }
  result.box.box.x -= first_pixel;
  result.box.box.y -= first_pixel;
  result.box.box.score = 1;
  if (!result.fault && (result.box.box.width < 1 || result.box.box.height < 1)) {
    result.fault = {"the box is smaller than a pixel", "mend or remove the row"};
  }
  return result;
}

// Rows become tracks.
class TrackTable {
 public:
  TrackTable(const TableFile& file, FaultList& faults) : file_(file), faults_(faults) {}

  void add(const TableRow& row, BoxRow boxed) {
    if (!boxed.track) {
      if (!boxed.fault) boxed.fault = no_number("track", row.cells[1]);
    } else if (*boxed.track < 1) {
      boxed.fault = {"track is below 1", "tracks count from 1"};
      boxed.track.reset();
    }
    if (boxed.track && left_out_.count(*boxed.track) > 0) return;
    if (boxed.track && !boxed.fault) boxed.fault = fault_of_order(*boxed.track, boxed.box.frame);
    if (!boxed.fault) {
      tracks_[*boxed.track].push_back(boxed.box);
      return;
    }
    std::string remedy = boxed.fault->remedy;
    if (!boxed.track) {
      faults_.leave_out(place_of_line(file_.path(), row.line), boxed.fault->problem, remedy);
      return;
    }
    faults_.leave_out(place_of_line(file_.path(), row.line),
                      boxed.fault->problem + " (track " + std::to_string(*boxed.track) + ")",
                      remedy);
    left_out_.insert(*boxed.track);
    tracks_.erase(*boxed.track);
  }

  std::vector<FilmedTrack> tracks() && {
    std::vector<FilmedTrack> tracks;
    for (auto& [number, boxes] : tracks_) tracks.push_back({number, std::move(boxes)});
    return tracks;
  }

 private:
  std::optional<RowFault> fault_of_order(int32_t track, int64_t frame) const {
    const auto before = tracks_.find(track);
    if (before == tracks_.end() || before->second.back().frame < frame) return std::nullopt;
    const FilmedBox& last = before->second.back();
    if (last.frame == frame) {
      return RowFault{
          "frame " + std::to_string(frame + 1) + " again, as in line " + std::to_string(last.line),
          "a track has one box in a frame"};
    }
    return RowFault{"frame " + std::to_string(frame + 1) + " comes after frame " +
                        std::to_string(last.frame + 1) + " of line " + std::to_string(last.line),
                    "sort the rows by frame"};
  }

  const TableFile& file_;
  FaultList& faults_;
  std::map<int32_t, std::vector<FilmedBox>> tracks_;
  std::set<int32_t> left_out_;
};

// Of a row of gt.txt that has a class: 9 columns, or 8 where visibility was dropped.
bool is_passed_over(const TableRow& row) {
  const auto is = [&](size_t column, double value) {
    return number_in(row.cells[column]) == value;
  };
  if (row.cells.size() > 6 && is(6, 0)) return true;
  const bool has_class = row.cells.size() == 8 || row.cells.size() == 9;
  return has_class && !is(7, 1) && !is(7, -1);
}

}  // namespace

std::vector<FilmedTrack> read_box_file(const fs::path& path, FaultList& faults) {
  TableFile file(path);
  file.require_heading("frame,track,left,top,width,height");
  TrackTable tracks(file, faults);
  while (const std::optional<TableRow> row = file.next()) {
    BoxRow boxed = box_row_of(*row, 0);
    if (row->cells.size() > 6 && !boxed.fault) {
      boxed.fault = {"has " + std::to_string(row->cells.size()) + " columns instead of 6",
                     "mend the row"};
    }
    tracks.add(*row, std::move(boxed));
  }
  return std::move(tracks).tracks();
}

std::vector<FilmedTrack> read_mot_truth(const fs::path& path, FaultList& faults) {
  TableFile file(path);
  TrackTable tracks(file, faults);
  while (const std::optional<TableRow> row = file.next()) {
    if (!is_passed_over(*row)) tracks.add(*row, box_row_of(*row, 1));
  }
  return std::move(tracks).tracks();
}

std::map<int64_t, std::vector<FilmedBox>> read_mot_detections(const fs::path& path,
                                                              FaultList& faults) {
  TableFile file(path);
  std::map<int64_t, std::vector<FilmedBox>> boxes;
  while (const std::optional<TableRow> row = file.next()) {
    const BoxRow boxed = box_row_of(*row, 1);
    if (boxed.fault) {
      faults.leave_out(place_of_line(path, row->line), boxed.fault->problem, boxed.fault->remedy);
    } else {
      boxes[boxed.box.frame].push_back(boxed.box);
    }
  }
  return boxes;
}

std::vector<ListedTrack> read_identities_file(const fs::path& path, FaultList& faults) {
  TableFile file(path);
  file.require_heading("video,track,identity,camera");
  std::vector<ListedTrack> listed;
  std::map<std::pair<std::string, int32_t>, int64_t> lines;
  while (const std::optional<TableRow> row = file.next()) {
    if (row->cells.size() != 4) {
      faults.leave_out(place_of_line(path, row->line),
                       "has " + std::to_string(row->cells.size()) + " columns instead of 4",
                       "mend the row");
      continue;
    }
    const char* const names[] = {"track", "identity", "camera"};
    int32_t numbers[3] = {};
    std::optional<RowFault> fault;
    for (size_t column = 0; column < 3 && !fault; ++column) {
      const std::optional<int32_t> value = whole_number_in(row->cells[column + 1]);
      if (!value) fault = no_number(names[column], row->cells[column + 1]);
      numbers[column] = value.value_or(0);
      if (!fault && (numbers[column] < 1 || (column == 2 && numbers[column] > INT16_MAX))) {
        fault = {
            std::string(names[column]) + " " + std::to_string(numbers[column]) + " is out of range",
            "these numbers count from 1"};
      }
    }
    const std::string video(row->cells[0]);
    if (!fault) {
      const auto [before, is_new] = lines.try_emplace({video, numbers[0]}, row->line);
      if (!is_new) {
        fault = {"lists track " + std::to_string(numbers[0]) + " of " + video + " again, as line " +
                     std::to_string(before->second),
                 "remove one of the rows"};
      }
    }
    if (fault) {
      faults.leave_out(place_of_line(path, row->line), fault->problem, fault->remedy);
    } else {
      listed.push_back({video, numbers[0], numbers[1], static_cast<int16_t>(numbers[2]),
                        place_of_line(path, row->line)});
    }
  }
  return listed;
}

}  // namespace muster::datastore

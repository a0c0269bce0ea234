#include "datastore/export.h"

#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "datastore/export_layout.h"
#include "datastore/joints_file.h"
#include "datastore/matlab_reader.h"
#include "datastore/picture_files.h"
#include "datastore/synthetic/matlab_file.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

ExportLayout layout_of(const std::string& name) {
  for (const ExportLayout& layout : {mars_export(), prid2011_export(), ilids_vid_export()}) {
    if (layout.name == name) return layout;
  }
  return sdu_vid_export();
}

std::string_view as_text(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void write_tracklet(const TrackletStore& store, const StoredTracklet& tracklet,
                    const TrackletPlace& place, const std::string& extension, NewFolder& folder) {
  const FrameGeometry& geometry = store.manifest().geometry;
  std::vector<Joint> joints;
  std::vector<std::string> names;
  for (int64_t frame = 0; frame < tracklet.length; ++frame) {
    names.push_back(place.picture_name(frame, extension));
    std::vector<uint8_t> bytes = store.read_frame_bytes(tracklet, frame);
    if (geometry.encoding == FrameEncoding::kRaw) {
      bytes = encoded_picture({geometry.height, geometry.width, std::move(bytes)}, extension);
    }
    folder.write(fs::path(place.folder) / names.back(), as_text(bytes));
    if (!store.has_joints()) continue;
    const std::vector<Joint> of_frame = store.read_joints(tracklet, frame);
    joints.insert(joints.end(), of_frame.begin(), of_frame.end());
  }
  if (store.has_joints()) folder.write(place.joints, joints_text(names, joints));
}

// So that nothing made from the copy looks filmed.
void write_synthetic_mark(const DatasetFacts& facts, NewFolder& folder) {
  if (!facts.synthetic) return;
  const nlohmann::json mark = {
      {"synthetic", true},
      {"origin", facts.origin},
      {"note",
       "Rendered by muster synth, not filmed: no real person appears, and results on it cannot be "
       "compared with published ones."}};
  folder.write("muster-synthetic.json", mark.dump(2) + "\n");
}

}  // namespace

std::string TrackletPlace::picture_name(int64_t frame, const std::string& extension) const {
  return prefix + formatted("%0*lld", digits, static_cast<long long>(frame + 1)) + extension;
}

std::string formatted(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

void write_table(NewFolder& folder, const std::string& name, const std::string& variable,
                 size_t rows, size_t columns, const std::vector<int32_t>& values) {
  folder.make_folder(fs::path(name).parent_path());
  errno = 0;
  std::string reason;
  try {
    const fs::path file = folder.unpublished(name);
    write_matlab_matrix(file, variable, rows, columns, values);
    // The library does not look at every write.
    const IntegerMatrix written = read_matlab_matrix(file, variable);
    if (std::equal(written.values.begin(), written.values.end(), values.begin(), values.end())) {
      return;
    }
  } catch (const common::Error&) {
    if (errno != 0) reason = std::string(": ") + std::strerror(errno);
  }
  throw common::SystemError(folder.published(name).string(), "cannot be written" + reason,
                            "check the disk's free space");
}

ExportResult export_store(const fs::path& store, const fs::path& output,
                          const std::string& annotation, common::ProgressSink& progress) {
  const TrackletStore source(store, {true, annotation});
  const ExportLayout layout = layout_of(source.manifest().facts.layout);
  const std::vector<TrackletPlace> places = layout.places(source);
  const std::vector<StoredTracklet>& tracklets = source.tracklets();
  MUSTER_REQUIRE(places.size(), ==, tracklets.size());
  const bool raw = source.manifest().geometry.encoding == FrameEncoding::kRaw;
  const std::string extension = raw ? ".png" : ".jpg";
  NewFolder folder(output, "choose another --out");
  progress.begin("exporting", "tracklets", static_cast<int64_t>(tracklets.size()));
  ExportResult result{layout.name, source.joint_annotation(), 0, 0};
  for (size_t i = 0; i < tracklets.size(); ++i) {
    write_tracklet(source, tracklets[i], places[i], extension, folder);
    result.frames += tracklets[i].length;
    progress.advance(++result.tracklets);
  }
  layout.write_lists(source, places, extension, folder);
  write_synthetic_mark(source.manifest().facts, folder);
  folder.publish();
  progress.end();
  return result;
}

}  // namespace muster::datastore

#include "datastore/tracklet_encoder.h"

#include "common/error.h"
#include "datastore/finite_joints.h"
#include "datastore/jpeg_codec.h"
#include "datastore/optical_flow.h"
#include "datastore/resample.h"

namespace muster::datastore {
namespace {

bool has_stored_size(const Image& image, const IngestOptions& options) {
  return image.height == options.frame_height && image.width == options.frame_width;
}

std::vector<uint8_t> encoded(const SourceFrame& source, const Image& image,
                             const IngestOptions& options) {
  if (options.encoding == FrameEncoding::kRaw) return image.rgb;
  // Files with more bytes than pixels carry something else, a large comment for example.
  const bool keeps = !source.jpeg.empty() && source.jpeg.size() <= image.rgb.size() &&
                     has_stored_size(source.image, options);
  return keeps ? source.jpeg : encoded_jpeg(image);
}

Image stored_size(const Image& image, const IngestOptions& options) {
  return resized(image, options.frame_height, options.frame_width);
}

void scale_joints(EncodedTracklet& tracklet, int64_t frame, const Image& source,
                  const IngestOptions& options) {
  for (int number = 0; number < kJointCount; ++number) {
    Joint& joint = tracklet.joints[static_cast<size_t>(frame) * kJointCount + number];
    joint.x = resized_place(joint.x, source.width, options.frame_width);
    joint.y = resized_place(joint.y, source.height, options.frame_height);
    if (is_finite(joint)) continue;
    throw common::InputError(tracklet.description.name,
                             "joint " + std::to_string(number + 1) + " of frame " +
                                 std::to_string(frame + 1) + " is too far away to be scaled",
                             "correct its joints or remove them all");
  }
}

std::vector<int8_t> stored_flow(const Image& previous, const Image& image,
                                const IngestOptions& options) {
  FlowField flow = lucas_kanade_flow(previous, image);
  if (options.whole_pixel_flow) round_to_whole_pixels(flow);
  return quantised_flow(flow, options.flow_height, options.flow_width);
}

}  // namespace

std::vector<uint8_t> stored_picture(const SourceFrame& frame, const IngestOptions& options) {
  return encoded(frame, stored_size(frame.image, options), options);
}

EncodedTracklet encode_tracklet(const DatasetReader& dataset, size_t index,
                                const IngestOptions& options, bool has_joints) {
  EncodedTracklet tracklet;
  tracklet.description = dataset.tracklets()[index];
  tracklet.joints = dataset.read_joints(index);
  if (tracklet.joints.empty() == has_joints) {
    throw common::InputError(tracklet.description.name,
                             has_joints ? "has no joints although others have them"
                                        : "has joints although others have none",
                             "complete the joints or remove them all");
  }
  Image previous;
  for (int64_t frame = 0; frame < tracklet.description.frames; ++frame) {
    const SourceFrame source = dataset.read_frame(index, frame);
    if (has_joints) scale_joints(tracklet, frame, source.image, options);
    Image image = stored_size(source.image, options);
    tracklet.frames.push_back(encoded(source, image, options));
    if (options.flow_height == 0) continue;
    // The first frame has nothing before it.
    tracklet.flow.push_back(
        frame == 0 ? std::vector<int8_t>(
                         static_cast<size_t>(options.flow_height) * options.flow_width * 2, 0)
                   : stored_flow(previous, image, options));
    previous = std::move(image);
  }
  return tracklet;
}

TrackletLook look_at_tracklet(const DatasetReader& dataset, size_t index) {
  TrackletLook look;
  try {
    look.has_joints = !dataset.read_joints(index).empty();
    for (int64_t frame = 0; frame < dataset.tracklets()[index].frames; ++frame) {
      dataset.read_frame(index, frame);
    }
  } catch (const common::Error& failure) {
    look.fault =
        std::filesystem::path(failure.object()).filename().string() + ": " + failure.problem();
  }
  return look;
}

}  // namespace muster::datastore

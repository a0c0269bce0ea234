#include "datastore/film_tracks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "common/error.h"
#include "datastore/person_crop.h"
#include "datastore/table_file.h"

namespace muster::datastore {
namespace {

constexpr int64_t kSearchesPerBatch = 16;  // frames the detector gets at a time, from all threads
constexpr size_t kBatchBytes = size_t{256} << 20;  // fewer where frames are large

// Calls work(0 .. count-1) from `jobs` threads; rethrows the first exception.
void in_parallel(size_t count, int jobs, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto take_turns = [&] {
    try {
      for (size_t index = next++; index < count; index = next++) work(index);
    } catch (...) {
      std::lock_guard<std::mutex> lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  for (int job = 1; job < jobs && static_cast<size_t>(job) < count; ++job) {
    helpers.emplace_back(take_turns);
  }
  take_turns();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

std::optional<Image> next_image(FilmFrames& frames) {
  std::optional<FilmFrame> frame = frames.next();
  if (!frame) return std::nullopt;
  if (!frame->fault.empty()) {
    throw common::InputError(frame->fault_object, frame->fault,
                             "people can only be followed through whole pictures of one size");
  }
  return std::move(frame->image);
}

// Up to `searches` times `stride` frames; a whole number of strides except at the end.
std::vector<Image> next_batch(FilmFrames& frames, size_t stride) {
  std::vector<Image> batch;
  size_t bytes = 0;
  while (batch.size() < kSearchesPerBatch * stride) {
    if (bytes >= kBatchBytes && batch.size() % stride == 0) break;
    std::optional<Image> frame = next_image(frames);
    if (!frame) break;
    bytes += frame->rgb.size();
    batch.push_back(std::move(*frame));
  }
  return batch;
}

std::vector<FilmedTrack> long_tracks(const std::vector<Track>& tracks,
                                     const VideoOptions& options) {
  std::vector<FilmedTrack> filmed;
  for (const Track& track : tracks) {
    if (static_cast<int64_t>(track.boxes.size()) < shortest_found_track(options)) continue;
    FilmedTrack& person = filmed.emplace_back();
    person.number = static_cast<int32_t>(filmed.size());
    for (size_t i = 0; i < track.boxes.size(); ++i) {
      person.boxes.push_back({track.first_frame + static_cast<int64_t>(i), track.boxes[i], 0});
    }
  }
  return filmed;
}

}  // namespace

std::vector<FilmedTrack> detected_tracks(FilmFrames& frames, const std::string& name,
                                         const VideoOptions& options,
                                         common::ProgressSink& progress) {
  const PersonDetector detector(options.detector);
  PersonTracker tracker(options.tracker);
  const auto stride = static_cast<size_t>(options.detection_interval_frames);
  progress.begin("detecting people in " + name, "frames", frames.announced_frames());
  int64_t done = 0;
  // Each batch begins with a frame to search.
  for (std::vector<Image> batch = next_batch(frames, stride); !batch.empty();
       batch = next_batch(frames, stride)) {
    std::vector<std::vector<PersonBox>> people((batch.size() + stride - 1) / stride);
    in_parallel(people.size(), options.jobs,
                [&](size_t search) { people[search] = detector.detect(batch[search * stride]); });
    for (size_t index = 0; index < batch.size(); ++index) {
      std::optional<std::vector<PersonBox>> seen;
      if (index % stride == 0) seen = std::move(people[index / stride]);
      tracker.add_frame(batch[index], seen);
    }
    done += static_cast<int64_t>(batch.size());
    progress.advance(done);
  }
  progress.end();
  return long_tracks(tracker.finish(), options);
}

std::vector<FilmedTrack> joined_tracks(FilmFrames& frames, const std::filesystem::path& box_file,
                                       const std::map<int64_t, std::vector<FilmedBox>>& boxes,
                                       FaultList& faults, const VideoOptions& options,
                                       common::ProgressSink& progress) {
  // The tracker counts detections: here every frame has them, not every third.
  TrackerOptions tracking = options.tracker;
  const auto stride = static_cast<int>(options.detection_interval_frames);
  tracking.maximum_missed_detections *= stride;
  tracking.minimum_detections *= stride;
  tracking.smoothing_detections *= stride;
  PersonTracker tracker(tracking);
  progress.begin("joining boxes of " + box_file.string(), "frames", frames.announced_frames());
  int64_t frame = 0;
  for (std::optional<Image> image = next_image(frames); image; image = next_image(frames)) {
    std::vector<PersonBox> people;
    const auto seen = boxes.find(frame);
    if (seen != boxes.end()) {
      for (const FilmedBox& box : seen->second) {
        const std::string problem = problem_of_box(box.box, image->height, image->width);
        if (problem.empty()) {
          people.push_back(box.box);
        } else {
          faults.leave_out(place_of_line(box_file, box.line), "the box " + problem);
        }
      }
    }
    tracker.add_frame(*image, people);
    progress.advance(++frame);
  }
  progress.end();
  return long_tracks(tracker.finish(), options);
}

}  // namespace muster::datastore

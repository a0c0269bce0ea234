#include "benchmarks/loader/loader_rows.h"

#include <turbojpeg.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "benchmarks/loader/clip_store.h"
#include "common/error.h"
#include "datastore/clip_loader.h"

namespace muster::benchmarks {
namespace {

using namespace muster::datastore;
using Clock = std::chrono::steady_clock;

constexpr int kPrefetch = 4;
constexpr int kWarmBatches = 8;  // fill the loader's buffers once, before the clock starts
constexpr int kBuffers = kPrefetch + 2;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The round whose ratio is the median.
TableRow median_of(std::vector<TableRow> rounds) {
  std::sort(rounds.begin(), rounds.end(),
            [](const TableRow& a, const TableRow& b) { return a.ratio < b.ratio; });
  return rounds[rounds.size() / 2];
}

// `threads` threads call work(clip) for every clip in [0, clips).
void share_clips(int threads, int64_t clips, const std::function<void(int64_t)>& work) {
  std::atomic<int64_t> next{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      for (int64_t clip = next++; clip < clips; clip = next++) work(clip);
    });
  }
  for (std::thread& worker : workers) worker.join();
}

ClipFormat stored_format(const TrackletStore& store) {
  ClipFormat format;
  format.flow = store.manifest().geometry.flow_height > 0;
  return format;
}

// Clips per second of the loader, from step `first` on. Up to kPrefetch of the batches may have
// been ready when the clock started: they are not counted.
double loader_round(const ClipStore& clips, const ClipFormat& format, int threads, int64_t first,
                    int64_t batches) {
  const auto planner = clips.planner(format);
  LoaderOptions options;
  options.first_step = first;
  options.last_step = first + kWarmBatches + batches + kPrefetch - 1;
  options.threads = threads;
  options.prefetch_batches = kPrefetch;
  ClipLoader loader(clips.store(), *planner, format, options);
  for (int i = 0; i < kWarmBatches; ++i) loader.recycle(loader.next());
  const Clock::time_point begin = Clock::now();
  for (int64_t i = 0; i < batches; ++i) loader.recycle(loader.next());
  return static_cast<double>(batches * kClipsPerBatch) / seconds_since(begin);
}

std::vector<ClipRequest> clips_of(const BatchPlanner& planner, int64_t first, int64_t batches) {
  std::vector<ClipRequest> all;
  for (int64_t step = first; step < first + batches; ++step) {
    for (ClipRequest& clip : planner.batch(step)) all.push_back(std::move(clip));
  }
  return all;
}

int64_t batches_for(double clips_per_second) {
  constexpr double kSeconds = 2;
  return std::max<int64_t>(50, static_cast<int64_t>(kSeconds * clips_per_second / kClipsPerBatch));
}

// Rounds of both in turn, so that what else the machine does falls on both.
TableRow interleaved(const ClipStore& clips, const LoaderLoad& load,
                     const std::function<double(int64_t first, int64_t batches)>& bound) {
  const ClipFormat format = stored_format(clips.store());
  clips.warm_up();
  const int64_t batches = batches_for(loader_round(clips, format, load.threads, 1, 50));
  bound(1, batches);
  std::vector<TableRow> rows;
  for (int round = 0; round < load.rounds; ++round) {
    const int64_t first = 1 + round * batches;
    TableRow row;
    row.measured = loader_round(clips, format, load.threads, first, batches);
    row.bound = bound(first, batches);
    row.ratio = row.measured / row.bound;
    rows.push_back(row);
  }
  return median_of(rows);
}

// Clips per second that memcpy moves.
class CopiedClips {
 public:
  explicit CopiedClips(const ClipStore& clips)
      : clips_(clips),
        frames_(static_cast<size_t>(clips.store().manifest().frames)),
        rgb_(frames_ * kRgbBytes, uint8_t{1}),
        flow_(frames_ * kFlowBytes, int8_t{1}),
        rgb_target_(size_t{kBuffers} * kClipsPerBatch * kClipFrames * kRgbBytes, uint8_t{2}),
        flow_target_(size_t{kBuffers} * kClipsPerBatch * kClipFrames * kFlowBytes, int8_t{2}) {}

  double round(int threads, int64_t first, int64_t batches) {
    const auto planner = clips_.planner(stored_format(clips_.store()));
    const std::vector<ClipRequest> requests = clips_of(*planner, first, batches);
    const Clock::time_point begin = Clock::now();
    share_clips(threads, static_cast<int64_t>(requests.size()), [&](int64_t number) {
      const ClipRequest& clip = requests[static_cast<size_t>(number)];
      const auto row = static_cast<size_t>(
          clips_.store().tracklets()[static_cast<size_t>(clip.tracklet)].first_frame +
          clip.frames.front());
      const size_t place = static_cast<size_t>(number) % (kBuffers * kClipsPerBatch) * kClipFrames;
      std::memcpy(&rgb_target_[place * kRgbBytes], &rgb_[row * kRgbBytes], kClipFrames * kRgbBytes);
      std::memcpy(&flow_target_[place * kFlowBytes], &flow_[row * kFlowBytes],
                  kClipFrames * kFlowBytes);
    });
    return static_cast<double>(requests.size()) / seconds_since(begin);
  }

  static constexpr size_t kRgbBytes = size_t{kFrameHeight} * kFrameWidth * 3;
  static constexpr size_t kFlowBytes = size_t{kFlowHeight} * kFlowWidth * 2;

 private:
  const ClipStore& clips_;
  const size_t frames_;
  const LargeBuffer<uint8_t> rgb_;
  const LargeBuffer<int8_t> flow_;
  LargeBuffer<uint8_t> rgb_target_;
  LargeBuffer<int8_t> flow_target_;
};

// Clips per second of libjpeg-turbo with the loader's settings, from files in memory into buffers
// as large as the loader's.
class DecodedClips {
 public:
  explicit DecodedClips(const ClipStore& clips)
      : clips_(clips), rgb_(size_t{kBuffers} * kClipsPerBatch * kClipFrames * kBytes, uint8_t{1}) {
    for (const StoredTracklet& tracklet : clips.store().tracklets()) {
      for (int64_t frame = 0; frame < tracklet.length; ++frame) {
        files_.push_back(clips.store().read_frame_bytes(tracklet, frame));
      }
    }
  }

  double round(int threads, int64_t first, int64_t batches) {
    const auto planner = clips_.planner(stored_format(clips_.store()));
    const std::vector<ClipRequest> requests = clips_of(*planner, first, batches);
    const Clock::time_point begin = Clock::now();
    share_clips(threads, static_cast<int64_t>(requests.size()), [&](int64_t number) {
      const ClipRequest& clip = requests[static_cast<size_t>(number)];
      const int64_t row =
          clips_.store().tracklets()[static_cast<size_t>(clip.tracklet)].first_frame;
      uint8_t* rgb =
          &rgb_[static_cast<size_t>(number) % (kBuffers * kClipsPerBatch) * kClipFrames * kBytes];
      for (const int32_t frame : clip.frames) {
        decode(files_[static_cast<size_t>(row + frame)], rgb);
        rgb += kBytes;
      }
    });
    return static_cast<double>(requests.size()) / seconds_since(begin);
  }

 private:
  static constexpr size_t kBytes = size_t{kFrameHeight} * kFrameWidth * 3;

  static void decode(const std::vector<uint8_t>& file, uint8_t* rgb) {
    thread_local tjhandle codec = tjInitDecompress();
    const int status = tjDecompress2(codec, file.data(), file.size(), rgb, kFrameWidth, 0,
                                     kFrameHeight, TJPF_RGB, TJFLAG_ACCURATEDCT);
    MUSTER_REQUIRE(status, ==, 0);
  }

  const ClipStore& clips_;
  std::vector<std::vector<uint8_t>> files_;
  LargeBuffer<uint8_t> rgb_;
};

}  // namespace

TableRow raw_clip_row(const std::filesystem::path& directory, const LoaderLoad& load) {
  const ClipStore clips(directory, FrameEncoding::kRaw, load.raw_frames);
  CopiedClips copies(clips);
  TableRow row = interleaved(clips, load, [&](int64_t first, int64_t batches) {
    return copies.round(load.threads, first, batches);
  });
  constexpr double kGigabytesPerClip =
      1e-9 * kClipFrames * (CopiedClips::kRgbBytes + CopiedClips::kFlowBytes);
  row.measured *= kGigabytesPerClip;
  row.bound *= kGigabytesPerClip;
  row.path = "raw clips with flow, page cache";
  row.limit = "memcpy, " + std::to_string(load.threads) + " threads";
  row.unit = "GB/s";
  row.target = 0.90;
  row.note = "16 frames of 256x128 and 64x32 flow; both with the same threads";
  return row;
}

TableRow jpeg_clip_row(const std::filesystem::path& directory, const LoaderLoad& load) {
  const ClipStore clips(directory, FrameEncoding::kJpeg, load.jpeg_frames);
  DecodedClips decoded(clips);
  TableRow row = interleaved(clips, load, [&](int64_t first, int64_t batches) {
    return decoded.round(load.threads, first, batches);
  });
  row.measured *= kClipFrames;
  row.bound *= kClipFrames;
  row.path = "JPEG clips";
  row.limit = "libjpeg-turbo, " + std::to_string(load.threads) + " threads";
  row.unit = "frames/s";
  row.target = 0.95;
  row.note =
      "16 frames of 256x128; both with the accurate inverse DCT, the same threads and targets";
  return row;
}

std::vector<TableRow> loader_rows(const std::filesystem::path& directory) {
  LoaderLoad load;
  load.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return {raw_clip_row(directory, load), jpeg_clip_row(directory, load)};
}

}  // namespace muster::benchmarks

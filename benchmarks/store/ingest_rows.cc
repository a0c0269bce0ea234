#include <atomic>
#include <thread>

#include "benchmarks/store/interleaved.h"
#include "benchmarks/store/scratch.h"
#include "benchmarks/store/store_rows.h"
#include "common/progress_sink.h"
#include "datastore/ingest.h"
#include "datastore/jpeg_codec.h"
#include "datastore/optical_flow.h"
#include "datastore/resample.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

using datastore::DatasetReader;
using datastore::Image;
using datastore::IngestOptions;

// What must be computed for one tracklet whatever becomes of the results. A picture that has the
// stored size is not encoded: ingest keeps its file.
void compute_tracklet(const DatasetReader& dataset, size_t tracklet, const IngestOptions& options,
                      std::atomic<uint64_t>& bytes) {
  Image previous;
  for (int64_t frame = 0; frame < dataset.tracklets()[tracklet].frames; ++frame) {
    Image source = dataset.read_frame(tracklet, frame).image;
    const bool keeps = source.height == options.frame_height && source.width == options.frame_width;
    Image image = keeps ? std::move(source)
                        : datastore::resized(source, options.frame_height, options.frame_width);
    if (!keeps) bytes += datastore::encoded_jpeg(image).size();
    if (frame > 0) {
      bytes += datastore::quantised_flow(datastore::lucas_kanade_flow(previous, image),
                                         options.flow_height, options.flow_width)
                   .size();
    }
    previous = std::move(image);
  }
}

void compute_alone(const DatasetReader& dataset, const IngestOptions& options) {
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < options.jobs; ++i) {
    threads.emplace_back([&] {
      for (size_t tracklet; (tracklet = next++) < dataset.tracklets().size();) {
        compute_tracklet(dataset, tracklet, options, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TableRow ingest_row(const fs::path& directory, int height, int width) {
  const ScratchDirectory scratch(directory);
  DatasetSize size;
  size.persons = 300;
  size.frames = 24000;
  size.height = height;
  size.width = width;
  size.different_files = 2000;
  write_jpeg_dataset(scratch.path() / "dataset", size);
  const auto dataset = open_jpeg_dataset(scratch.path() / "dataset");
  IngestOptions options;
  options.jobs = usable_cores();
  options.shard_bytes = uint64_t{32} << 20;  // several shards, as a real dataset has
  const fs::path store = scratch.path() / "store";
  const MedianSeconds seconds = interleaved(
      5,
      [&] {
        common::SilentProgress progress;
        datastore::ingest(*dataset, store, options, progress);
      },
      [&] { compute_alone(*dataset, options); }, [&] { fs::remove_all(store); });
  TableRow row;
  const bool keeps = height == options.frame_height && width == options.frame_width;
  row.path = std::string("ingest of JPEG with flow, ") + (keeps ? "files kept" : "encoded anew");
  row.limit = std::string("decode, ") + (keeps ? "" : "resize, encode, ") + "flow alone x " +
              std::to_string(options.jobs) + " cores";
  row.unit = "frames/s";
  row.measured = static_cast<double>(size.frames) / seconds.measured;
  row.bound = static_cast<double>(size.frames) / seconds.bound;
  row.ratio = row.measured / row.bound;
  row.target = keeps ? 0 : 0.85;
  row.note = std::to_string(height) + "x" + std::to_string(width) + " to 128x64, flow 64x48" +
             (keeps ? "; without a target: the limit does no encoding" : "");
  return row;
}

}  // namespace

std::vector<TableRow> ingest_rows(const fs::path& directory) {
  return {ingest_row(directory, 256, 128), ingest_row(directory, 128, 64)};
}

}  // namespace muster::benchmarks

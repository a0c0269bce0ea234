#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "benchmarks/store/interleaved.h"
#include "benchmarks/store/mars_scale.h"
#include "benchmarks/store/scratch.h"
#include "benchmarks/store/store_rows.h"
#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/dataset_catalog.h"
#include "datastore/ingest.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

// Opens and ingests in a process of its own, whose peak memory is then known. Returns bytes.
double peak_bytes_of_ingest(const fs::path& input, const fs::path& store) {
  const pid_t child = ::fork();
  if (child < 0) throw common::system_call_error("ingest", "fork", errno);
  if (child == 0) {
    int status = 1;
    try {
      datastore::IngestOptions options;
      options.frame_height = 16;
      options.frame_width = 8;
      options.flow_height = 8;
      options.flow_width = 4;
      options.shard_bytes = uint64_t{32} << 20;
      options.jobs = usable_cores();
      common::SilentProgress progress;
      const auto dataset = datastore::open_mars(input, datastore::DatasetOptions{}, progress);
      const auto result = datastore::ingest(*dataset, store, options, progress);
      MUSTER_REQUIRE(result.manifest.tracklets, ==, kMarsTracklets);
      MUSTER_REQUIRE(result.manifest.frames, ==, kMarsFrames);
      status = 0;
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s\n", failure.what());
    }
    ::_exit(status);
  }
  int status = 0;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) ||
      WEXITSTATUS(status) != 0) {
    throw common::SystemError(store.string(), "was not ingested");
  }
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

}  // namespace

std::vector<TableRow> mars_memory_rows(const fs::path& directory) {
  const ScratchDirectory scratch(directory);
  write_mars_scale_dataset(scratch.path() / "dataset");
  double peak = 0;
  const double seconds = seconds_of(
      [&] { peak = peak_bytes_of_ingest(scratch.path() / "dataset", scratch.path() / "store"); });
  TableRow row;
  row.path = "memory of ingest, MARS's 20,478 tracklets and 1.19 million frames";
  row.limit = "1 GiB";
  row.unit = "MiB";
  row.measured = peak / (1 << 20);
  row.bound = 1024;
  row.ratio = row.measured / row.bound;
  row.target = 1.0;
  row.at_most = true;
  row.note = "peak; pictures of 16x8, flow 8x4, shards of 32 MiB; " +
             std::to_string(static_cast<int>(seconds)) + " s";
  return {row};
}

}  // namespace muster::benchmarks

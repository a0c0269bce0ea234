#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <random>
#include <thread>

#include "benchmarks/store/interleaved.h"
#include "benchmarks/store/scratch.h"
#include "benchmarks/store/store_rows.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/manifest.h"
#include "datastore/store_verification.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

constexpr int kShards = 4;
constexpr uint64_t kShardBytes = uint64_t{256} << 20;

fs::path shard_path(const fs::path& store, int shard) {
  return store / datastore::shard_file_name(static_cast<size_t>(shard));
}

// Shards of noise and the manifest that describes them: verification looks at bytes only.
void write_noise_store(const fs::path& store) {
  std::mt19937_64 noise(1);
  std::vector<uint64_t> block(datastore::kChecksumBlockBytes / sizeof(uint64_t));
  for (uint64_t& word : block) word = noise();
  datastore::Manifest manifest;
  for (int shard = 0; shard < kShards; ++shard) {
    std::ofstream out(shard_path(store, shard), std::ios::binary);
    for (uint64_t bytes = 0; bytes < kShardBytes; bytes += datastore::kChecksumBlockBytes) {
      block[0] = noise();
      out.write(reinterpret_cast<const char*>(block.data()), datastore::kChecksumBlockBytes);
    }
    if (!out.flush()) throw common::SystemError(store.string(), "cannot be written");
    out.close();
    manifest.shards.push_back(datastore::describe_shard_file(shard_path(store, shard), {}));
    manifest.shards.back().tracklets = manifest.shards.back().frames = 1;
  }
  manifest.geometry.height = manifest.geometry.width = 1;
  manifest.tracklets = manifest.frames = kShards;
  manifest.identities = manifest.cameras = 1;
  datastore::write_manifest(store, manifest);
}

uint32_t crc_of_mapped_file(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw common::system_call_error(path.string(), "open", errno);
  void* bytes = ::mmap(nullptr, kShardBytes, PROT_READ, MAP_SHARED, descriptor, 0);
  ::close(descriptor);
  if (bytes == MAP_FAILED) throw common::system_call_error(path.string(), "map", errno);
  ::madvise(bytes, kShardBytes, MADV_SEQUENTIAL);
  const uint32_t crc = common::crc32c(bytes, kShardBytes);
  ::munmap(bytes, kShardBytes);
  return crc;
}

void crc_of_all_files(const fs::path& store, int threads) {
  std::atomic<int> next{0};
  std::atomic<uint32_t> sum{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      for (int shard; (shard = next++) < kShards;) {
        sum += crc_of_mapped_file(shard_path(store, shard));
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

}  // namespace

std::vector<TableRow> verify_rows(const fs::path& directory) {
  const ScratchDirectory store(directory);
  write_noise_store(store.path());
  const int threads = usable_cores();
  size_t faults = 0;
  const MedianSeconds seconds = interleaved(
      9,
      [&] {
        common::SilentProgress progress;
        faults += datastore::verify_store(store.path(), datastore::VerifyDepth::kCrc32c, progress,
                                          threads)
                      .size();
      },
      [&] { crc_of_all_files(store.path(), threads); });
  constexpr double kGigabytes = static_cast<double>(kShards * kShardBytes) / 1e9;
  TableRow row;
  row.path = "verify";
  row.limit = "CRC32C over mmap x " + std::to_string(threads) + " cores";
  row.unit = "GB/s";
  row.measured = kGigabytes / seconds.measured;
  row.bound = kGigabytes / seconds.bound;
  row.ratio = row.measured / row.bound;
  row.target = 0.80;
  row.note = faults == 0 ? "page cache, files mapped anew each round" : "the store had faults";
  return {row};
}

}  // namespace muster::benchmarks

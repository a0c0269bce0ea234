#include "trainer/kept_blocks.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "common/atomic_file.h"
#include "common/crc32c.h"
#include "common/error.h"

namespace muster::trainer {
namespace fs = std::filesystem;

KeptBlocks::KeptBlocks(fs::path folder, std::vector<int64_t> sizes)
    : folder_(std::move(folder)), sizes_(std::move(sizes)) {}

fs::path KeptBlocks::file_of(size_t i) const { return folder_ / ("block-" + std::to_string(i)); }

// The numbers, and behind them their CRC32C.
std::vector<float> KeptBlocks::read(size_t i) const {
  const std::string bytes = common::read_file(file_of(i));
  std::vector<float> values(static_cast<size_t>(sizes_[i]));
  const size_t length = values.size() * sizeof(float);
  uint32_t stored = 0;
  if (bytes.size() == length + sizeof stored) {
    std::memcpy(&stored, bytes.data() + length, sizeof stored);
    std::memcpy(values.data(), bytes.data(), length);
    if (common::crc32c(bytes.data(), length) == stored) return values;
  }
  throw common::SystemError(file_of(i).string(), "is damaged", "remove it and start again");
}

bool KeptBlocks::is_whole(size_t i) const {
  std::error_code ignored;
  if (!fs::is_regular_file(file_of(i), ignored)) return false;
  try {
    read(i);
    return true;
  } catch (const common::Error&) {
    return false;
  }
}

void KeptBlocks::complete(Communicator& communicator, common::ProgressSink& progress,
                          const std::function<std::vector<float>(size_t)>& compute) const {
  std::vector<char> whole(sizes_.size(), 0);
  if (communicator.rank() == 0) {  // one rank looks, before any writes
    common::make_directories(folder_);
    for (size_t i = 0; i < whole.size(); ++i) {
      common::remove_stale_temporaries(file_of(i));
      whole[i] = is_whole(i) ? 1 : 0;
    }
  }
  communicator.broadcast(whole.data(), static_cast<int64_t>(whole.size()), ElementType::kByte, 0);
  std::vector<size_t> missing;
  int64_t total = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    if (whole[i] != 0) continue;
    missing.push_back(i);
    total += sizes_[i];
  }
  if (missing.size() < sizes_.size()) {
    progress.note("goes on with " + std::to_string(sizes_.size() - missing.size()) + " of " +
                  std::to_string(sizes_.size()) + " blocks in " + folder_.string());
  }
  progress.begin("comparing", "pairs", total);
  const auto ranks = static_cast<size_t>(communicator.size());
  int64_t done = 0;
  for (size_t next = static_cast<size_t>(communicator.rank()); next < missing.size();
       next += ranks) {
    const std::vector<float> values = compute(missing[next]);
    MUSTER_REQUIRE(static_cast<int64_t>(values.size()), ==, sizes_[missing[next]]);
    const uint32_t crc = common::crc32c(values.data(), values.size() * sizeof(float));
    std::string bytes(values.size() * sizeof(float) + sizeof crc, '\0');
    std::memcpy(bytes.data(), values.data(), values.size() * sizeof(float));
    std::memcpy(bytes.data() + values.size() * sizeof(float), &crc, sizeof crc);
    common::write_file_atomically(file_of(missing[next]), bytes);
    done += sizes_[missing[next]] * communicator.size();
    progress.advance(std::min(done, total));
  }
  progress.end();
  communicator.barrier();
}

}  // namespace muster::trainer

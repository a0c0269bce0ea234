#include "datastore/store_verification.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>

#include "common/crc32c.h"
#include "common/error.h"
#include "common/file_descriptor.h"
#include "common/sha256.h"
#include "datastore/finite_joints.h"
#include "datastore/manifest.h"
#include "datastore/ordered_parallel.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// Small enough to stay in a core's second cache between reading and checking. Mapping the file
// instead gains a fifth at most, and reading goes on after a block that the disk does not give.
constexpr uint64_t kReadBytes = kChecksumBlockBytes / 8;

std::string error_text(int error) { return std::generic_category().message(error); }

class ShardFile {
 public:
  explicit ShardFile(const fs::path& path) : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat facts {};
    if (!file_.is_open() || ::fstat(file_.get(), &facts) != 0) error_ = errno;
    bytes_ = static_cast<uint64_t>(facts.st_size);
  }
  int error() const { return error_; }  // of opening; 0 if it went well
  uint64_t bytes() const { return bytes_; }
  const common::Descriptor& descriptor() const { return file_; }

 private:
  common::Descriptor file_;
  int error_ = 0;
  uint64_t bytes_ = 0;
};

// What one thread does at a time: blocks [first, last) of a shard. With SHA-256 a whole shard, as
// that cannot be divided.
struct Piece {
  const ShardRecord* record;
  uint64_t first = 0, last = 0;
  bool ends_shard = false;
};

std::vector<Piece> pieces_of(const Manifest& manifest, const fs::path& store, VerifyDepth depth) {
  constexpr uint64_t kBlocksAtATime = 32;
  std::vector<Piece> pieces;
  for (const ShardRecord& record : manifest.shards) {
    const uint64_t bytes = ShardFile(store / record.file).bytes();
    const uint64_t blocks = (bytes + kChecksumBlockBytes - 1) / kChecksumBlockBytes;
    const uint64_t step = depth == VerifyDepth::kSha256 ? blocks : kBlocksAtATime;
    uint64_t first = 0;
    for (; first + step < blocks; first += step) {
      pieces.push_back({&record, first, first + step, false});
    }
    pieces.push_back({&record, first, blocks, true});
  }
  return pieces;
}

class PieceVerifier {
 public:
  PieceVerifier(const fs::path& store, const Piece& piece, VerifyDepth depth)
      : name_((store / piece.record->file).string()),
        file_(name_),
        piece_(piece),
        with_sha256_(depth == VerifyDepth::kSha256) {}

  std::vector<std::string> run() {
    if (file_.error() == ENOENT) {
      add("is missing");
    } else if (file_.error() != 0) {
      add("cannot be opened: " + error_text(file_.error()));
    } else {
      for (uint64_t block = piece_.first; block < piece_.last; ++block) verify_block(block);
      if (piece_.ends_shard) verify_whole();
    }
    return std::move(faults_);
  }

 private:
  void add(const std::string& problem) { faults_.push_back(name_ + ": " + problem); }

  void verify_block(uint64_t block) {
    const uint64_t begin = block * kChecksumBlockBytes;
    const uint64_t end = std::min(begin + kChecksumBlockBytes, file_.bytes());
    const auto range = [&] {
      return "bytes " + std::to_string(begin) + " to " + std::to_string(end - 1);
    };
    // Kept from piece to piece: new memory costs as much as checking it.
    thread_local std::vector<char> buffer(kReadBytes);
    uint32_t crc = 0;
    for (uint64_t offset = begin; offset < end; offset += kReadBytes) {
      const uint64_t count = std::min(kReadBytes, end - offset);
      if (const int error = common::read_at(file_.descriptor(), offset, buffer.data(), count);
          error != 0) {
        add(range() + " cannot be read: " + error_text(error));
        with_sha256_ = false;  // the fault is told already
        return;
      }
      crc = common::crc32c(buffer.data(), count, crc);
      if (with_sha256_) sha256_.update(buffer.data(), count);
    }
    const std::vector<uint32_t>& expected = piece_.record->crc32c;
    if (block >= expected.size() || crc != expected[block]) {
      add(range() + " differ from what was written");
    }
  }

  void verify_whole() {
    if (file_.bytes() != piece_.record->bytes) {
      add("has " + std::to_string(file_.bytes()) + " bytes instead of " +
          std::to_string(piece_.record->bytes));
    } else if (with_sha256_ && sha256_.finish() != piece_.record->sha256) {
      add("SHA-256 differs from the manifest's");
    }
  }

  std::string name_;
  ShardFile file_;
  const Piece& piece_;
  bool with_sha256_;
  common::Sha256 sha256_;
  std::vector<std::string> faults_;
};

int64_t mebibytes(uint64_t blocks) {
  static_assert(kChecksumBlockBytes == 1 << 20);
  return static_cast<int64_t>(blocks);
}

}  // namespace

std::vector<std::string> verify_shards(const fs::path& store, const Manifest& manifest,
                                       VerifyDepth depth, common::ProgressSink& progress,
                                       int threads) {
  const std::vector<Piece> pieces = pieces_of(manifest, store, depth);
  uint64_t blocks = 0, blocks_done = 0;
  for (const Piece& piece : pieces) blocks += piece.last - piece.first;
  std::vector<std::string> faults;
  progress.begin("verifying", "MiB", mebibytes(blocks));
  ordered_parallel(
      pieces.size(), threads,
      [&](size_t i) { return PieceVerifier(store, pieces[i], depth).run(); },
      [&](size_t i, const std::vector<std::string>& found) {
        faults.insert(faults.end(), found.begin(), found.end());
        blocks_done += pieces[i].last - pieces[i].first;
        progress.advance(mebibytes(blocks_done));
      });
  progress.end();
  return faults;
}

std::vector<std::string> verify_store(const fs::path& store, VerifyDepth depth,
                                      common::ProgressSink& progress, int threads) {
  return verify_shards(store, read_manifest(store), depth, progress, threads);
}

std::vector<std::string> contradictions_of_store(const fs::path& store) {
  try {
    const TrackletStore opened(store);
    const Manifest& manifest = opened.manifest();
    if (opened.has_joints()) demand_finite_joints(opened);
    if (!manifest.left_out.empty()) return {};  // persons of the splits may be among it
    std::set<int32_t> identities;
    for (const StoredTracklet& tracklet : opened.tracklets()) identities.insert(tracklet.identity);
    std::vector<std::string> faults;
    for (const int32_t identity : manifest.facts.split_identities) {
      if (identities.count(identity) > 0) continue;
      faults.push_back((store / kManifestName).string() + ": split_identities names person " +
                       std::to_string(identity) + ", who is in no shard and was not left out");
    }
    return faults;
  } catch (const common::Error& failure) {
    return {failure.what()};
  }
}

std::vector<std::string> verify_store(const fs::path& store, VerifyDepth depth) {
  common::SilentProgress progress;
  return verify_store(store, depth, progress, 1);
}

}  // namespace muster::datastore

#include "datastore/shard_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

fs::path claim_file(const fs::path& shard) {
  return shard.parent_path() / ("." + shard.filename().string() + ".claim");
}

}  // namespace

std::optional<ShardClaim> ShardClaim::attempt(const fs::path& shard) {
  const fs::path lock = claim_file(shard);
  const int descriptor = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw common::system_call_error(lock.string(), "open", errno);
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      ::close(descriptor);
      return std::nullopt;
    }
    break;  // no locks here
  }
  return ShardClaim(lock, descriptor);
}

void ShardClaim::remove_remains(const fs::path& shard) noexcept {
  try {
    const std::optional<ShardClaim> claim = attempt(shard);
    if (claim) common::remove_stale_temporaries(shard);
  } catch (const std::exception&) {
  }
}

ShardClaim::ShardClaim(ShardClaim&& other) noexcept
    : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

ShardClaim::~ShardClaim() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());
  ::close(descriptor_);
}

}  // namespace muster::datastore

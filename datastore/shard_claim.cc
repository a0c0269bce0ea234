#include "datastore/shard_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/file_lock.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

fs::path claim_file(const fs::path& shard) {
  return shard.parent_path() / ("." + shard.filename().string() + ".claim");
}

}  // namespace

std::optional<ShardClaim> ShardClaim::attempt(const fs::path& shard) {
  const fs::path lock = claim_file(shard);
  common::Descriptor file(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file.is_open()) throw common::system_call_error(lock.string(), "open", errno);
  if (!lock_file(file, LOCK_EX | LOCK_NB)) return std::nullopt;
  return ShardClaim(lock, std::move(file));
}

void ShardClaim::remove_remains(const fs::path& shard) noexcept {
  try {
    const std::optional<ShardClaim> claim = attempt(shard);
    if (claim) common::remove_stale_temporaries(shard);
  } catch (const std::exception&) {
  }
}

ShardClaim::~ShardClaim() {
  if (held_.is_open()) ::unlink(name_.c_str());
}

}  // namespace muster::datastore

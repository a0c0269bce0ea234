#include "datastore/shard_claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {
constexpr char kSuffix[] = ".claim";
}

std::optional<ShardClaim> ShardClaim::attempt(const fs::path& shard) {
  const fs::path lock = shard.parent_path() / ("." + shard.filename().string() + kSuffix);
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

ShardClaim::ShardClaim(ShardClaim&& other) noexcept
    : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

ShardClaim::~ShardClaim() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());
  ::close(descriptor_);
}

void remove_claim_files(const fs::path& store) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(store, ignored)) {
    if (is_claim_file(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }
}

bool is_claim_file(const std::string& name) {
  const size_t length = sizeof(kSuffix) - 1;
  return name.rfind(".shard-", 0) == 0 && name.size() > length &&
         name.compare(name.size() - length, length, kSuffix) == 0;
}

}  // namespace muster::datastore

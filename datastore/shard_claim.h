// Who of several ingests writes which shard. A claim only saves work: two writers of one shard
// write the same bytes under names of their own, and the later rename changes nothing.
#pragma once

#include <filesystem>
#include <optional>

namespace muster::datastore {

// An advisory lock on a hidden file beside the shard; it ends with the object, which removes the
// file, or with the process, on whatever machine that runs. Where the file system has no locks
// every claim is granted.
class ShardClaim {
 public:
  // Empty while somebody else holds it. Throws SystemError if the lock file cannot be made.
  static std::optional<ShardClaim> attempt(const std::filesystem::path& shard);
  // Removes what writers of the shard left when they died, where nobody holds its claim and it can
  // be removed.
  static void remove_remains(const std::filesystem::path& shard) noexcept;
  ShardClaim(ShardClaim&& other) noexcept;
  ShardClaim& operator=(ShardClaim&& other) = delete;
  ~ShardClaim();

 private:
  ShardClaim(std::filesystem::path file, int descriptor)
      : file_(std::move(file)), descriptor_(descriptor) {}
  std::filesystem::path file_;
  int descriptor_;
};

}  // namespace muster::datastore

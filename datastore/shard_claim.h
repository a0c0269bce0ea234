// Who of several ingests writes which shard. A claim only saves work: two writers of one shard
// write the same bytes under names of their own, and the later rename changes nothing.
#pragma once

#include <filesystem>
#include <optional>

#include "common/file_descriptor.h"

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
  ShardClaim(ShardClaim&&) = default;
  ShardClaim& operator=(ShardClaim&& other) = delete;
  ~ShardClaim();

 private:
  ShardClaim(std::filesystem::path name, common::Descriptor held)
      : name_(std::move(name)), held_(std::move(held)) {}
  std::filesystem::path name_;
  common::Descriptor held_;  // not open in what was moved from
};

}  // namespace muster::datastore

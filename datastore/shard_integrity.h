// Whether a shard file is still the one that its manifest lists, told from the parts that are
// needed before a frame is read: HDF5's own structures, columns, checksums, joints. HDF5 must not
// be let near damaged structures: it trusts what it reads. Frames and flow have checksums of their
// own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace muster::datastore {

struct ByteRange {
  uint64_t offset = 0, bytes = 0;
};

struct ShardRecord;

// CRC32C over all of the file that lies in none of `payloads` (ascending, not overlapping). Throws
// SystemError if it cannot be read or ends inside a payload.
uint32_t crc32c_outside(const std::filesystem::path& shard, const std::vector<ByteRange>& payloads);

// True if the file has the recorded size and everything outside its payloads is as it was written.
// False if it has another size: then it is a repacked copy, or cut off. Throws InputError naming
// the shard if it is missing, SystemError if it has the right size and was changed.
bool is_as_written(const std::filesystem::path& shard, const ShardRecord& record);

}  // namespace muster::datastore

#include "datastore/shard_integrity.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "common/crc32c.h"
#include "common/error.h"
#include "common/file_descriptor.h"
#include "datastore/manifest.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// Continues `crc` over bytes [begin, end) of the file.
uint32_t crc_of_range(const common::Descriptor& file, uint64_t begin, uint64_t end, uint32_t crc,
                      const fs::path& shard) {
  std::vector<char> block(size_t{1} << 20);
  while (begin < end) {
    const size_t count = std::min<uint64_t>(block.size(), end - begin);
    if (const int error = common::read_at(file, begin, block.data(), count); error != 0) {
      throw common::system_call_error(shard.string(), "read", error);
    }
    crc = common::crc32c(block.data(), count, crc);
    begin += count;
  }
  return crc;
}

}  // namespace

uint32_t crc32c_outside(const fs::path& shard, const std::vector<ByteRange>& payloads) {
  const common::Descriptor file(::open(shard.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw common::system_call_error(shard.string(), "open", errno);
  std::error_code failure;
  const uint64_t size = fs::file_size(shard, failure);
  if (failure) throw common::SystemError(shard.string(), failure.message());
  uint32_t crc = 0;
  uint64_t place = 0;
  for (const ByteRange& payload : payloads) {
    if (payload.offset < place || payload.offset > size || payload.bytes > size - payload.offset) {
      throw common::SystemError(shard.string(), "ends before its payload does");
    }
    crc = crc_of_range(file, place, payload.offset, crc, shard);
    place = payload.offset + payload.bytes;
  }
  return crc_of_range(file, place, size, crc, shard);
}

bool is_as_written(const fs::path& shard, const ShardRecord& record) {
  std::error_code failure;
  if (!fs::is_regular_file(shard, failure)) {
    throw common::InputError(shard.string(), "is missing", "run the ingest command again");
  }
  if (fs::file_size(shard, failure) != record.bytes) return false;
  if (crc32c_outside(shard, record.payloads) != record.outside_crc32c) {
    throw common::SystemError(shard.string(), "is damaged: its index is not what was written",
                              "restore it from a copy, or remove it and run the ingest command "
                              "again");
  }
  return true;
}

}  // namespace muster::datastore

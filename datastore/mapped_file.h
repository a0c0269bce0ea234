// A file in memory, read at the speed of memory: the page cache without a system call per read.
#pragma once

#include <cstdint>
#include <string>

namespace muster::datastore {

class MappedFile {
 public:
  MappedFile() = default;
  // Throws SystemError naming the file if it cannot be opened or mapped.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept { *this = static_cast<MappedFile&&>(other); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  uint64_t size() const { return size_; }
  // Any thread. A page that the disk does not give, or that lies behind the end of a file that was
  // cut since, arrives as SIGBUS; it becomes a SystemError naming the file here, and only here.
  void read(uint64_t offset, uint64_t bytes, void* target) const;

 private:
  std::string path_;
  const uint8_t* bytes_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace muster::datastore

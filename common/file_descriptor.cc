#include "common/file_descriptor.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace muster::common {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

int Descriptor::close() {
  const int value = std::exchange(value_, -1);
  return value >= 0 && ::close(value) != 0 ? errno : 0;
}

int read_at(const Descriptor& file, uint64_t offset, void* target, size_t bytes) {
  auto* place = static_cast<char*>(target);
  for (size_t done = 0; done < bytes;) {
    const ssize_t count =
        ::pread(file.get(), place + done, bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return EIO;
    done += static_cast<size_t>(count);
  }
  return 0;
}

int write_at(const Descriptor& file, uint64_t offset, const void* source, size_t bytes) {
  const auto* place = static_cast<const char*>(source);
  for (size_t done = 0; done < bytes;) {
    const ssize_t count =
        ::pwrite(file.get(), place + done, bytes - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += static_cast<size_t>(count);
  }
  return 0;
}

}  // namespace muster::common

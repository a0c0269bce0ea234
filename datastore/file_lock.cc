#include "datastore/file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace muster::datastore {

bool lock_file(const common::Descriptor& file, int kind) {
  while (::flock(file.get(), kind) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) break;
  }
  return true;
}

}  // namespace muster::datastore

#include "datastore/store_mark.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr char kPrefix[] = ".ingest-";

fs::path mark_of(const fs::path& store, const std::string& identity) {
  return store / (kPrefix + identity);
}

// False only if somebody else's lock stands against it.
bool lock(int descriptor, int kind) {
  while (::flock(descriptor, kind) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) break;  // no locks here
  }
  return true;
}

// Opens and locks the mark; one that was removed in between is made again.
int held_mark(const fs::path& file) {
  for (;;) {
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0) throw common::system_call_error(file.string(), "create", errno);
    lock(descriptor, LOCK_SH);
    struct stat facts {};
    if (::fstat(descriptor, &facts) == 0 && facts.st_nlink > 0) return descriptor;
    ::close(descriptor);
  }
}

void remove_and_close(const fs::path& file, int descriptor) {
  if (lock(descriptor, LOCK_EX | LOCK_NB)) ::unlink(file.c_str());
  ::close(descriptor);
}

// A mark in the store other than `own`.
bool has_other_mark(const fs::path& store, const fs::path& own) {
  std::error_code failure;
  for (fs::directory_iterator entry(store, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const fs::path name = entry->path().filename();
    if (StoreMark::is_mark(name.string()) && name != own.filename()) return true;
  }
  if (failure) throw common::system_call_error(store.string(), "list", failure.value());
  return false;
}

}  // namespace

StoreMark::StoreMark(const fs::path& store, const std::string& identity)
    : file_(mark_of(store, identity)) {
  std::error_code ignored;
  const bool stood_there = fs::exists(file_, ignored);
  descriptor_ = held_mark(file_);
  if (!has_other_mark(store, file_)) return;
  if (stood_there) {
    ::close(descriptor_);
  } else {
    remove_and_close(file_, descriptor_);
  }
  throw common::InputError(store.string(), "was begun with other data or settings",
                           "choose another --store, or remove this one first");
}

StoreMark::~StoreMark() { remove_and_close(file_, descriptor_); }

void StoreMark::remove_unheld(const fs::path& store, const std::string& identity) noexcept {
  const fs::path file = mark_of(store, identity);
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor >= 0) remove_and_close(file, descriptor);
}

bool StoreMark::is_mark(const std::string& file_name) { return file_name.rfind(kPrefix, 0) == 0; }

}  // namespace muster::datastore

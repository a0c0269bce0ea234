#include "datastore/store_mark.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.h"
#include "datastore/directory_listing.h"
#include "datastore/file_lock.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr char kPrefix[] = ".ingest-";

fs::path mark_of(const fs::path& store, const std::string& identity) {
  return store / (kPrefix + identity);
}

// Opens and locks the mark; one that was removed in between is made again.
common::Descriptor held_mark(const fs::path& file) {
  for (;;) {
    common::Descriptor mark(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!mark.is_open()) throw common::system_call_error(file.string(), "create", errno);
    lock_file(mark, LOCK_SH);
    struct stat facts {};
    if (::fstat(mark.get(), &facts) == 0 && facts.st_nlink > 0) return mark;
  }
}

void remove_if_last(const fs::path& file, const common::Descriptor& held) {
  if (lock_file(held, LOCK_EX | LOCK_NB)) ::unlink(file.c_str());
}

// A mark in the store other than `own`.
bool has_other_mark(const fs::path& store, const fs::path& own) {
  bool found = false;
  for_each_entry(store, [&](const fs::directory_entry& entry) {
    const fs::path name = entry.path().filename();
    found = found || (StoreMark::is_mark(name.string()) && name != own.filename());
  });
  return found;
}

}  // namespace

StoreMark::StoreMark(const fs::path& store, const std::string& identity)
    : file_(mark_of(store, identity)) {
  std::error_code ignored;
  const bool stood_there = fs::exists(file_, ignored);
  held_ = held_mark(file_);
  if (!has_other_mark(store, file_)) return;
  if (!stood_there) remove_if_last(file_, held_);
  throw common::InputError(store.string(), "was begun with other data or settings",
                           "choose another --store, or remove this one first");
}

StoreMark::~StoreMark() { remove_if_last(file_, held_); }

void StoreMark::remove_unheld(const fs::path& store, const std::string& identity) noexcept {
  const fs::path file = mark_of(store, identity);
  const common::Descriptor mark(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (mark.is_open()) remove_if_last(file, mark);
}

bool StoreMark::is_mark(const std::string& file_name) { return file_name.rfind(kPrefix, 0) == 0; }

}  // namespace muster::datastore

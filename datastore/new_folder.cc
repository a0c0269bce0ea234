#include "datastore/new_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/file_descriptor.h"
#include "datastore/file_names.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

// Files were closed without waiting for the disk, which for a million small ones would take hours.
void sync_disk_of(const fs::path& folder, const fs::path& name) {
  const common::Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.is_open()) throw common::system_call_error(name.string(), "open", errno);
  if (::syncfs(file.get()) != 0) throw common::system_call_error(name.string(), "syncfs", errno);
}

}  // namespace

NewFolder::NewFolder(const fs::path& path, const std::string& remedy)
    : path_(without_trailing_slash(path)), temporary_(common::temporary_name_beside(path_)) {
  common::require_new_directory(path_, remedy);
  common::remove_stale_temporaries(path_);
  std::error_code failure;
  fs::create_directory(temporary_, failure);
  if (failure) {
    throw common::SystemError(path_.string(), "cannot be created: " + failure.message());
  }
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!published_) fs::remove_all(temporary_, ignored);
}

void NewFolder::make_folder(const fs::path& name) {
  std::error_code failure;
  fs::create_directories(temporary_ / name, failure);
  if (failure) throw common::system_call_error((path_ / name).string(), "mkdir", failure.value());
}

void NewFolder::write(const fs::path& name, std::string_view bytes) {
  if (name.parent_path() != last_parent_) {
    make_folder(name.parent_path());
    last_parent_ = name.parent_path();
  }
  common::Descriptor file(
      ::open((temporary_ / name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.is_open()) throw common::system_call_error((path_ / name).string(), "create", errno);
  int error = common::write_at(file, 0, bytes.data(), bytes.size());
  const int closing = file.close();
  if (error == 0) error = closing;
  if (error != 0) throw common::system_call_error((path_ / name).string(), "write", error);
}

fs::path NewFolder::unpublished(const fs::path& name) const { return temporary_ / name; }
fs::path NewFolder::published(const fs::path& name) const { return path_ / name; }

void NewFolder::publish() {
  sync_disk_of(temporary_, path_);
  common::publish_file(temporary_, path_);
  published_ = true;
}

}  // namespace muster::datastore

// A folder of files that appears whole or not at all: filled beside its final name, then renamed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace muster::datastore {

// Failures name the file where it was to be in the end, and the system's reason.
class NewFolder {
 public:
  // Throws InputError with `remedy` if `path` exists and is not an empty folder, SystemError if
  // nothing can be made beside it. Removes what writers of the same folder left when they died.
  NewFolder(const std::filesystem::path& path, const std::string& remedy);
  // Removes what was written unless it was published.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Names below are relative to the folder. Throw SystemError.
  void make_folder(const std::filesystem::path& name);
  void write(const std::filesystem::path& name, std::string_view bytes);
  // For the table that `name` will be; see synthetic/matlab_file.h.
  std::filesystem::path unpublished(const std::filesystem::path& name) const;
  std::filesystem::path published(const std::filesystem::path& name) const;

  // Brings all files to the disk and gives the folder its name. Throws SystemError.
  void publish();

 private:
  std::filesystem::path path_, temporary_, last_parent_;
  bool published_ = false;
};

}  // namespace muster::datastore

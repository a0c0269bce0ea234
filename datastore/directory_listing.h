// What lies in a directory, with failures that name it.
#pragma once

#include <filesystem>

#include "common/error.h"

namespace muster::datastore {

// Calls action(directory_entry) for everything in `directory`, in no order. Throws InputError if
// it is no directory, SystemError if it cannot be listed to its end.
template <typename Action>
void for_each_entry(const std::filesystem::path& directory, const Action& action) {
  std::error_code failure;
  if (!std::filesystem::is_directory(directory, failure)) {
    throw common::InputError(directory.string(), "no such directory",
                             "see docs/guides/datasets.md for what belongs where");
  }
  std::filesystem::directory_iterator entries(directory, failure);
  for (; !failure && entries != std::filesystem::directory_iterator(); entries.increment(failure)) {
    action(*entries);
  }
  if (failure) {
    throw common::SystemError(directory.string(), "cannot be listed: " + failure.message());
  }
}

}  // namespace muster::datastore

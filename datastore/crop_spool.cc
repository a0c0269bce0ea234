#include "datastore/crop_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/error.h"

namespace muster::datastore {
namespace {

std::string spool_directory() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

common::SystemError spool_failure(const std::string& problem, int error_number) {
  return common::SystemError(
      spool_directory(),
      problem + ": " + std::error_code(error_number, std::generic_category()).message(),
      "set TMPDIR to a directory with more room");
}

}  // namespace

CropSpool::CropSpool(int height, int width) : height_(height), width_(width) {
  std::string name = spool_directory() + "/muster-crops-XXXXXX";
  file_ = common::Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_.is_open()) throw spool_failure("cannot hold a temporary file", errno);
  ::unlink(name.c_str());
}

int64_t CropSpool::append(const Image& picture) {
  MUSTER_REQUIRE(picture.height, ==, height_);
  MUSTER_REQUIRE(picture.width, ==, width_);
  const size_t size = picture.rgb.size();
  const uint64_t place = static_cast<uint64_t>(count_) * size;
  if (const int error = common::write_at(file_, place, picture.rgb.data(), size); error != 0) {
    throw spool_failure("cannot hold the crops of the footage", error);
  }
  return count_++;
}

Image CropSpool::read(int64_t index) const {
  MUSTER_REQUIRE(index, >=, 0);
  MUSTER_REQUIRE(index, <, count_.load());
  Image picture{height_, width_, {}};
  picture.rgb.resize(static_cast<size_t>(height_) * static_cast<size_t>(width_) * 3);
  const size_t size = picture.rgb.size();
  const uint64_t place = static_cast<uint64_t>(index) * size;
  if (const int error = common::read_at(file_, place, picture.rgb.data(), size); error != 0) {
    throw spool_failure("lost the crops of the footage", error);
  }
  return picture;
}

}  // namespace muster::datastore

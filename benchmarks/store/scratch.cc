#include "benchmarks/store/scratch.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <random>

#include "common/error.h"
#include "common/progress_sink.h"
#include "datastore/dataset_catalog.h"
#include "datastore/jpeg_codec.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

ScratchDirectory::ScratchDirectory(const fs::path& parent) {
  std::string pattern = (parent / "muster-benchmark-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw common::system_call_error(pattern, "create", errno);
  }
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

namespace {

datastore::Image picture(int height, int width, int number) {
  datastore::Image image{height, width, {}};
  std::mt19937 noise(static_cast<unsigned>(number));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        const double phase = 0.2 * number + 1.9 * channel;
        const double level = 120 + 40 * std::sin(0.11 * (x - 0.6 * number) + phase) +
                             40 * std::cos(0.09 * (y - 0.3 * number) + 2 * phase) +
                             static_cast<double>(noise() % 17);
        image.rgb.push_back(static_cast<uint8_t>(std::lround(level)));
      }
    }
  }
  return image;
}

std::string numbered(const char* format, int64_t number) {
  char text[32];
  std::snprintf(text, sizeof(text), format, static_cast<long>(number));
  return text;
}

}  // namespace

LinkedPictures::LinkedPictures(const fs::path& originals, int height, int width,
                               int different_files) {
  fs::create_directories(originals);
  for (int number = 0; number < different_files; ++number) {
    const auto bytes = datastore::encoded_jpeg(picture(height, width, number));
    originals_.push_back(originals / numbered("%05ld.jpg", number));
    std::ofstream out(originals_.back(), std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
    if (!out.flush()) throw common::SystemError(originals.string(), "cannot be written");
  }
}

void LinkedPictures::link(const fs::path& name) {
  fs::create_hard_link(originals_[next_], name);
  next_ = (next_ + 1) % originals_.size();
}

void write_jpeg_dataset(const fs::path& root, const DatasetSize& size) {
  LinkedPictures pictures(root / "originals", size.height, size.width, size.different_files);
  const int64_t tracklets = 2 * int64_t{size.persons};
  for (int64_t tracklet = 0; tracklet < tracklets; ++tracklet) {
    const fs::path folder = root / "multi_shot" / (tracklet % 2 == 0 ? "cam_a" : "cam_b") /
                            numbered("person_%05ld", tracklet / 2 + 1);
    fs::create_directories(folder);
    // As even a share as whole numbers allow.
    const int64_t frames =
        (tracklet + 1) * size.frames / tracklets - tracklet * size.frames / tracklets;
    for (int64_t frame = 1; frame <= frames; ++frame) {
      pictures.link(folder / numbered("%04ld.jpg", frame));
    }
  }
}

std::unique_ptr<datastore::DatasetReader> open_jpeg_dataset(const fs::path& root) {
  common::SilentProgress progress;
  return datastore::open_prid2011(root, datastore::DatasetOptions{}, progress);
}

int usable_cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace muster::benchmarks

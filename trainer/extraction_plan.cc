#include "trainer/extraction_plan.h"

#include <string>
#include <utility>

#include "common/error.h"
#include "datastore/protocol.h"

namespace muster::trainer {
namespace {

using datastore::ClipFormat;
using datastore::ClipWindow;

datastore::FrameChoice choice_of(proto::TestFrames frames, int32_t role) {
  using datastore::FrameChoice;
  switch (frames) {
    case proto::LAST_FRAMES:
      return FrameChoice::kLast;
    case proto::SPREAD_FRAMES:
      return FrameChoice::kEvenlySpaced;
    case proto::GALLERY_LAST_FRAMES:
      return (role & datastore::kRoleQuery) != 0 ? FrameChoice::kFirst : FrameChoice::kLast;
    case proto::ALL_FRAMES:
      return FrameChoice::kAll;
    case proto::FIRST_FRAMES:
      break;
  }
  return FrameChoice::kFirst;
}

// Of a tracklet that is query and gallery too, as in MARS, the query's.
int most_frames(const proto::Extraction& settings, int32_t role) {
  const bool probe = (role & datastore::kRoleQuery) != 0;
  const int own = probe ? settings.probe_frames() : settings.gallery_frames();
  return own > 0 ? own : settings.max_frames();
}

}  // namespace

std::vector<ClipWindow> windows_of(const proto::Extraction& settings, const ClipFormat& format) {
  constexpr int kMaxCrops = 8;
  if (settings.crops() < 1 || settings.crops() > kMaxCrops) {
    throw common::InputError("extraction.crops",
                             std::to_string(settings.crops()) + " is not in 1 to 8");
  }
  if (settings.max_frames() < 1) {
    throw common::InputError("extraction.max_frames",
                             std::to_string(settings.max_frames()) + " is not positive");
  }
  for (const auto& [field, frames] : {std::pair<const char*, int>("probe", settings.probe_frames()),
                                      {"gallery", settings.gallery_frames()}}) {
    if (frames >= 0) continue;
    throw common::InputError("extraction." + std::string(field) + "_frames",
                             std::to_string(frames) + " is negative");
  }
  std::vector<ClipWindow> windows;
  for (int crop = 1; crop <= settings.crops(); ++crop) {
    const auto offset = [&](int slack) {
      return settings.crops() == 1 ? slack / 2 : slack * crop / settings.crops();
    };
    const int y = offset(format.resize_height - format.crop_height);
    const int x = offset(format.resize_width - format.crop_width);
    windows.push_back({y, x, false});
    if (settings.flip()) windows.push_back({y, x, true});
  }
  return windows;
}

std::vector<int32_t> test_frames(const proto::Extraction& settings, int length, int32_t role) {
  common::KeyedRandom no_chance(0);
  using datastore::ShortTracklet;
  return datastore::choose_frames(
      choice_of(settings.frames(), role),
      settings.fixed_length() ? ShortTracklet::kStartOver : ShortTracklet::kShorterClip, length,
      most_frames(settings, role), no_chance);
}

}  // namespace muster::trainer

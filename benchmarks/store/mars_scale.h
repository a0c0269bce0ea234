// A dataset in the MARS layout with as many people, tracklets and frames as the real one, of tiny
// pictures: what memory of an ingest depends on.
#pragma once

#include <filesystem>

namespace muster::benchmarks {

constexpr int kMarsTracklets = 8298 + 12180;
constexpr int kMarsFrames = 509914 + 681089;

// Pictures are hard links to a few thousand different files. Name lists are left to the reader.
void write_mars_scale_dataset(const std::filesystem::path& root);

}  // namespace muster::benchmarks

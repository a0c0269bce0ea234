// The loader's rows of the speed table.
#pragma once

#include <filesystem>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

struct LoaderLoad {
  int threads = 2;         // of the loader and of the limit alike
  int rounds = 7;          // of each, in turn; the one with the median ratio counts
  int raw_frames = 4096;   // of 256x128 pixels with 64x32 flow: 420 MB
  int jpeg_frames = 4096;  // of 256x128 pixels: about 100 MB
};

// Raw clips with flow from the page cache, in GB/s, beside memcpy of the same clips from a buffer
// as large as the store into buffers as large as the loader's. Builds a store inside `directory`
// and removes it.
TableRow raw_clip_row(const std::filesystem::path& directory, const LoaderLoad& load);

// JPEG clips, in frames/s, beside the same files decoded from memory, into buffers as large as
// the loader's, by as many threads that do nothing else.
TableRow jpeg_clip_row(const std::filesystem::path& directory, const LoaderLoad& load);

// Both, with as many threads as there are cores.
std::vector<TableRow> loader_rows(const std::filesystem::path& directory);

}  // namespace muster::benchmarks

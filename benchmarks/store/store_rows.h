// The rows of the speed table that are about making and checking stores. Each makes its own input,
// measures its limit in the same run, and takes seconds unless it says otherwise.
#pragma once

#include <filesystem>
#include <vector>

#include "benchmarks/table_row.h"

namespace muster::benchmarks {

// Flow against a composition of OpenCV filters, one thread; frames of 128x64 and of 256x128.
std::vector<TableRow> flow_rows();

// Ingest of JPEG files with flow against decode, resize, flow and encode alone in as many threads;
// first where every frame must be encoded, then where JPEG files are kept as they are. `directory`
// is for scratch and should be on the disk that stores would lie on.
std::vector<TableRow> ingest_rows(const std::filesystem::path& directory);

// Verification by the manifest's CRCs against CRC32C over mapped files.
std::vector<TableRow> verify_rows(const std::filesystem::path& directory);

// Peak memory of an ingest of as many tracklets and frames as MARS has. Minutes, and 1.2 million
// names on the disk.
std::vector<TableRow> mars_memory_rows(const std::filesystem::path& directory);

}  // namespace muster::benchmarks

// The lines of progress.jsonl when a run goes on.
#pragma once

#include <cstdint>
#include <filesystem>

namespace muster::trainer {

// Cuts off what comes after the lines of steps up to `step`, which will be taken again, and a last
// line that was not written whole. If there is a line among them that is none, the file is copied
// to NAME.damaged-N first. Throws SystemError naming the file.
void cut_progress(const std::filesystem::path& file, int64_t step);

}  // namespace muster::trainer

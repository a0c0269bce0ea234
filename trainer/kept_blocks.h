// Blocks of numbers that cost hours: shared over ranks, and kept in a folder so that nothing is
// computed twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "common/progress_sink.h"
#include "trainer/communicator.h"

namespace muster::trainer {

// Block i is `sizes[i]` floats. The folder's name must say all that they depend on: blocks that are
// whole (by length and CRC) are taken as they are, from whatever number of ranks.
class KeptBlocks {
 public:
  KeptBlocks(std::filesystem::path folder, std::vector<int64_t> sizes);
  // Computes what is missing; collective. Each block is written aside and renamed. Every rank takes
  // every size()-th of the missing ones; progress tells of numbers ("pairs") over all ranks as this
  // rank sees it. Returns when all ranks are done. Throws SystemError if the folder cannot be
  // written, and whatever `compute` throws.
  void complete(Communicator& communicator, common::ProgressSink& progress,
                const std::function<std::vector<float>(size_t)>& compute) const;
  // Throws SystemError if the block is not there.
  std::vector<float> read(size_t i) const;

 private:
  std::filesystem::path file_of(size_t i) const;
  bool is_whole(size_t i) const;

  const std::filesystem::path folder_;
  const std::vector<int64_t> sizes_;
};

}  // namespace muster::trainer

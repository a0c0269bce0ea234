#include "trainer/kept_blocks.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <numeric>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"
#include "tests/fakes/in_process_communicator.h"

namespace muster::trainer {
namespace {

const std::vector<int64_t> kSizes = {3, 1, 4, 1, 5, 9, 2};

// Block i holds 100 i, 100 i + 1, ...
std::vector<float> block(size_t i) {
  std::vector<float> values(static_cast<size_t>(kSizes[i]));
  std::iota(values.begin(), values.end(), 100 * static_cast<float>(i));
  return values;
}

class KeptBlocksTest : public testing::TestWithParam<int> {
 protected:
  // How often each block was computed, by GetParam() ranks.
  std::vector<int> complete() {
    std::vector<std::atomic<int>> counts(kSizes.size());
    run_ranks(GetParam(), [&](Communicator& communicator) {
      common::SilentProgress progress;
      blocks_.complete(communicator, progress, [&](size_t i) {
        ++counts[i];
        return block(i);
      });
      for (size_t i = 0; i < kSizes.size(); ++i) EXPECT_EQ(blocks_.read(i), block(i));
    });
    return {counts.begin(), counts.end()};
  }

  std::filesystem::path file(size_t i) const {
    return directory_ / "partial" / ("block-" + std::to_string(i));
  }

  common::TestDirectory directory_;
  const KeptBlocks blocks_{directory_ / "partial", kSizes};
};

INSTANTIATE_TEST_SUITE_P(Ranks, KeptBlocksTest, testing::Values(1, 2, 3, 8));

TEST_P(KeptBlocksTest, EachIsComputedOnceAndNeverAgain) {
  EXPECT_EQ(complete(), std::vector<int>(kSizes.size(), 1));
  EXPECT_EQ(complete(), std::vector<int>(kSizes.size(), 0));
}

TEST_P(KeptBlocksTest, WhatIsMissingCutOffOrChangedIsComputedAgain) {
  complete();
  std::filesystem::remove(file(0));
  std::filesystem::resize_file(file(2), 7);
  std::string bytes = common::read_file(file(5));
  bytes[11] = static_cast<char>(bytes[11] ^ 1);
  std::ofstream(file(5), std::ios::binary) << bytes;
  EXPECT_EQ(complete(), (std::vector<int>{1, 0, 1, 0, 0, 1, 0}));
}

TEST_P(KeptBlocksTest, WhatAWriterThatDiedLeftIsRemoved) {
  std::filesystem::create_directories(directory_ / "partial");
  const std::filesystem::path left = common::temporary_name_beside(file(3));
  // Of another process, which is gone: numbers of processes end at 4,194,304.
  std::string name = left.filename().string();
  const std::string own = "." + std::to_string(::getpid()) + ".";
  name.replace(name.rfind(own), own.size(), ".99999999.");
  const std::filesystem::path dead = left.parent_path() / name;
  std::ofstream(dead) << "half";
  complete();
  EXPECT_EQ(common::names_in(directory_ / "partial").size(), kSizes.size());
}

TEST(KeptBlocksReadTest, ADamagedBlockIsNamed) {
  const common::TestDirectory directory;
  const KeptBlocks blocks(directory / "partial", {2});
  const auto communicator = create_single_communicator();
  common::RecordingProgress progress;
  blocks.complete(*communicator, progress, [](size_t) { return std::vector<float>{1, 2}; });
  EXPECT_EQ(progress.stretches, (std::vector<std::pair<std::string, int64_t>>{{"comparing", 2}}));
  std::ofstream(directory / "partial" / "block-0") << "not a block";
  const auto text =
      common::failure_text<common::SystemError>([&] { static_cast<void>(blocks.read(0)); });
  EXPECT_TRUE(common::contains(text, "block-0: is damaged")) << text;
}

TEST(KeptBlocksReadTest, AFaultOfOneRankReachesTheCaller) {
  const common::TestDirectory directory;
  const KeptBlocks blocks(directory / "partial", kSizes);
  EXPECT_THROW(run_ranks(2,
                         [&](Communicator& communicator) {
                           common::SilentProgress progress;
                           blocks.complete(communicator, progress, [](size_t i) {
                             if (i == 3) throw common::SystemError("pair", "is lost");
                             return block(i);
                           });
                         }),
               common::SystemError);
}

}  // namespace
}  // namespace muster::trainer

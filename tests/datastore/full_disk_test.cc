// An ingest whose disk fills up, or that no disk would hold.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "tests/common/faults.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::FileSizeLimit;
using common::InputError;
using common::SystemError;
using common::TestDirectory;

// A disk of 2 MiB that can fill up: a mounted one where the user may, else a limit on every file's
// size.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& place) : place_(place.string()) {
    fs::create_directories(place);
    mounted_ = ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=2m") == 0;
  }
  ~SmallDisk() {
    grow();
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  // Somebody else's file takes what is left, but for 40 KiB.
  void fill() {
    if (!mounted_) {
      if (!limit_) limit_.emplace(40 << 10);
      return;
    }
    std::ofstream other(place_ + "/other");
    const uint64_t free = fs::space(place_).available;
    other << std::string(free > (40 << 10) ? free - (40 << 10) : 0, 'x');
  }
  void grow() {
    std::error_code ignored;
    fs::remove(place_ + "/other", ignored);
    limit_.reset();
  }

 private:
  const std::string place_;
  bool mounted_ = false;
  std::optional<FileSizeLimit> limit_;
};

// Every ingest that fails does so in a process of its own: what a full disk leaves behind inside
// HDF5 must not reach the other tests.
// Named so that it runs first: HDF5 must meet its first call inside muster.
class FullDiskDeathTest : public testing::TestWithParam<FrameEncoding> {
 protected:
  static constexpr int kSystemError = 7, kSuccess = 8, kOther = 9;

  // The disk fills up while the first shard is written: some tracklets have been read by then.
  FullDiskDeathTest() : disk_(directory_ / "disk"), dataset_(two_camera_dataset(40, 8)) {
    dataset_.when_read(11, [this] { disk_.fill(); });
  }
  fs::path store() const { return directory_ / "disk/store"; }
  fs::path message_file() const { return directory_ / "message"; }
  // The exit code of a process that ingests and then calls `end`; minus the signal that killed it.
  int ingest_and(void (*end)(int)) const {
    const pid_t child = ::fork();
    if (child == 0) {
      int code = kSuccess;
      try {
        build_store(dataset_, store(), small_options(GetParam()));
      } catch (const SystemError& failure) {
        code = kSystemError;
        std::ofstream(message_file()) << failure.what();
      } catch (...) {
        code = kOther;
      }
      end(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  TestDirectory directory_;
  SmallDisk disk_;
  FakeDataset dataset_;
};

TEST_P(FullDiskDeathTest, IsASystemErrorThatNamesTheShard) {
  ASSERT_EQ(ingest_and(std::_Exit), kSystemError);
  const std::string text = common::read_file(message_file());
  EXPECT_TRUE(contains(text, (store() / "shard-00000.h5").string() + ": ")) << text;
  EXPECT_TRUE(contains(text, "; make room and run the same command again")) << text;
}

TEST_P(FullDiskDeathTest, LeavesNeitherManifestNorHalfWrittenFile) {
  ASSERT_EQ(ingest_and(std::_Exit), kSystemError);
  EXPECT_FALSE(fs::exists(store()));
}

TEST_P(FullDiskDeathTest, TheSameCommandFinishesOnceThereIsRoom) {
  ASSERT_EQ(ingest_and(std::_Exit), kSystemError);
  disk_.grow();
  dataset_.when_read(11, [] {});
  EXPECT_EQ(build_store(dataset_, store(), small_options(GetParam())).outcome,
            IngestOutcome::kBuilt);
  EXPECT_TRUE(verify_store(store(), VerifyDepth::kSha256).empty());
}

TEST_P(FullDiskDeathTest, TheProgramStillEndsInOrder) {
  EXPECT_EQ(ingest_and(std::exit), kSystemError);
}

INSTANTIATE_TEST_SUITE_P(Encodings, FullDiskDeathTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg), encoding_name);

TEST(TooLargeIngestTest, IsRefusedBeforeAnythingIsWritten) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, int64_t{1} << 50);  // frames that no disk holds
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store"); });
  EXPECT_TRUE(contains(text, (directory / "store").string())) << text;
  EXPECT_TRUE(contains(text, "free")) << text;
  EXPECT_FALSE(fs::exists(directory / "store"));
}

}  // namespace
}  // namespace muster::datastore

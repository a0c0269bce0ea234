#include "datastore/ingest.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "datastore/hdf5_handle.h"
#include "datastore/optical_flow.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;
using common::names_in;
using common::SystemError;
using common::TestDirectory;

using Names = std::vector<std::string>;

// Two tracklets of 4 frames to a shard.
IngestOptions several_shards(FrameEncoding encoding = FrameEncoding::kRaw) {
  IngestOptions options = small_options(encoding);
  const uint64_t raw = 3 * 24 * 16, flow = 2 * 12 * 8;
  options.shard_bytes = 8 * ((encoding == FrameEncoding::kRaw ? raw : raw / 5) + flow);
  return options;
}

class NoteKeeper : public common::SilentProgress {
 public:
  void note(const std::string& text) override { notes.push_back(text); }
  std::vector<std::string> notes;
};

TEST(IngestTest, BuildsAStoreOfTheWholeDataset) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  const IngestResult result = build_store(dataset, directory / "store");
  EXPECT_EQ(result.outcome, IngestOutcome::kBuilt);
  EXPECT_EQ(result.manifest.tracklets, 6);
  EXPECT_EQ(result.manifest.frames, 24);
  EXPECT_EQ(result.manifest.identities, 3);
  EXPECT_EQ(result.manifest.cameras, 2);
  EXPECT_TRUE(result.manifest.left_out.empty());
  EXPECT_TRUE(verify_store(directory / "store", VerifyDepth::kSha256).empty());
}

TEST(IngestTest, KeepsTheFactsOfTheDataset) {
  const TestDirectory directory;
  build_store(two_camera_dataset(1, 1), directory / "store");
  const DatasetFacts facts = read_manifest(directory / "store").facts;
  EXPECT_EQ(facts.layout, "prid2011");
  EXPECT_TRUE(facts.synthetic);
  EXPECT_EQ(facts.origin, "waves for a test");
}

TEST(IngestTest, LeavesOnlyShardsAndManifest) {
  const TestDirectory directory;
  build_store(two_camera_dataset(2, 4), directory / "store", several_shards(FrameEncoding::kJpeg));
  EXPECT_EQ(names_in(directory / "store"),
            (Names{"manifest.json", "shard-00000.h5", "shard-00001.h5"}));
}

TEST(IngestTest, NeverDividesATracklet) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 20);
  dataset.add(1, 2, 1);
  dataset.add(2, 1, 20);
  build_store(dataset, directory / "store", several_shards());
  const Manifest manifest = read_manifest(directory / "store");
  ASSERT_EQ(manifest.shards.size(), 3u);
  EXPECT_EQ(manifest.shards[0].frames, 20);
  EXPECT_EQ(manifest.shards[1].frames, 1);
  EXPECT_EQ(manifest.shards[2].frames, 20);
}

TEST(IngestTest, RawFramesOfTheSameSizeAreExactlyThePixels) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    for (int64_t frame = 0; frame < 3; ++frame) {
      EXPECT_EQ(store.read_image(store.tracklets()[i], frame).rgb,
                dataset.read_frame(i, frame).image.rgb);
    }
  }
}

TEST(IngestTest, JpegFramesAreCloseToThePixels) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store", small_options(FrameEncoding::kJpeg));
  const TrackletStore store(directory / "store");
  for (size_t i = 0; i < store.tracklets().size(); ++i) {
    const Image stored = store.read_image(store.tracklets()[i], 2);
    const Image source = dataset.read_frame(i, 2).image;
    ASSERT_EQ(stored.rgb.size(), source.rgb.size());
    double sum = 0;
    for (size_t k = 0; k < source.rgb.size(); ++k) {
      sum += std::abs(int{stored.rgb[k]} - int{source.rgb[k]});
    }
    EXPECT_LT(sum / static_cast<double>(source.rgb.size()), 4);
  }
}

TEST(IngestTest, LargerPicturesAreAveragedDown) {
  const TestDirectory directory;
  FakeDataset dataset(72, 48);
  dataset.add(1, 1, 1);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  const Image stored = store.read_image(store.tracklets()[0], 0);
  const Image source = dataset.read_frame(0, 0).image;
  for (int y = 0; y < 24; ++y) {
    for (int x = 0; x < 16; ++x) {
      int sum = 0;
      for (int j = 0; j < 3; ++j) {
        for (int i = 0; i < 3; ++i) {
          sum += source.rgb[(static_cast<size_t>(3 * y + j) * 48 + 3 * x + i) * 3 + 1];
        }
      }
      EXPECT_EQ(stored.rgb[(static_cast<size_t>(y) * 16 + x) * 3 + 1], (sum + 4) / 9);
    }
  }
}

TEST(IngestTest, FlowOfEveryFirstFrameIsZero) {
  const TestDirectory directory;
  build_store(two_camera_dataset(2, 3), directory / "store");
  const TrackletStore store(directory / "store");
  for (const StoredTracklet& tracklet : store.tracklets()) {
    EXPECT_EQ(store.read_flow(tracklet, 0), std::vector<int8_t>(12 * 8 * 2));
    EXPECT_NE(store.read_flow(tracklet, 1), std::vector<int8_t>(12 * 8 * 2));
  }
}

TEST(IngestTest, FlowIsTheMotionFromThePreviousFrame) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const TrackletStore store(directory / "store");
  EXPECT_EQ(store.read_flow(store.tracklets()[3], 2),
            quantised_flow(
                lucas_kanade_flow(dataset.read_frame(3, 1).image, dataset.read_frame(3, 2).image),
                12, 8));
}

TEST(IngestTest, WithoutFlowTheStoreHasNone) {
  const TestDirectory directory;
  IngestOptions options = small_options();
  options.flow_height = options.flow_width = 0;
  build_store(two_camera_dataset(2, 3), directory / "store", options);
  EXPECT_EQ(read_manifest(directory / "store").geometry.flow_height, 0);
}

TEST(IngestTest, JointsAreScaledWithTheFrame) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.give_joints();
  IngestOptions options = small_options();
  options.frame_height = 48;  // twice
  options.frame_width = 64;   // four times
  build_store(dataset, directory / "store", options);
  const TrackletStore store(directory / "store");
  const Joint source = dataset.joint(3, 2, 11);
  const Joint stored = store.read_joints(store.tracklets()[3], 2)[11];
  EXPECT_EQ(stored.x, 4 * source.x);
  EXPECT_EQ(stored.y, 2 * source.y);
  EXPECT_EQ(stored.confidence, source.confidence);
}

TEST(IngestTest, ATrackletWithoutJointsAmongOthersWithThemIsNamed) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.give_joints({2});
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store"); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
}

TEST(IngestTest, AnEmptyDatasetIsAnInputError) {
  const TestDirectory directory;
  testing::FLAGS_gtest_death_test_style = "fast";
  EXPECT_EXIT(
      {
        try {
          build_store(FakeDataset(), directory / "store");
        } catch (const InputError&) {
          std::_Exit(0);
        }
        std::_Exit(1);
      },
      testing::ExitedWithCode(0), "");
}

class IngestJobsTest : public testing::TestWithParam<FrameEncoding> {};

TEST_P(IngestJobsTest, TheNumberOfJobsChangesNoByte) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(4, 4);
  dataset.give_joints();
  IngestOptions options = several_shards(GetParam());
  build_store(dataset, directory / "one", options);
  options.jobs = 3;
  build_store(dataset, directory / "three", options);
  EXPECT_GT(store_bytes(directory / "one").size(), 3u);
  EXPECT_TRUE(store_bytes(directory / "one") == store_bytes(directory / "three"));
}

INSTANTIATE_TEST_SUITE_P(Encodings, IngestJobsTest,
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg),
                         [](const auto& parameter) {
                           return parameter.param == FrameEncoding::kRaw ? "Raw" : "Jpeg";
                         });

TEST(IngestAgainTest, AFinishedStoreIsLeftAlone) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const auto before = store_bytes(directory / "store");
  const auto written = fs::last_write_time(directory / "store" / "manifest.json");
  const IngestResult again = build_store(dataset, directory / "store");
  EXPECT_EQ(again.outcome, IngestOutcome::kAlreadyThere);
  EXPECT_EQ(again.manifest.frames, 12);
  EXPECT_TRUE(store_bytes(directory / "store") == before);
  EXPECT_EQ(fs::last_write_time(directory / "store" / "manifest.json"), written);
}

TEST(IngestAgainTest, AnotherNumberOfJobsIsTheSameStore) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  IngestOptions options = small_options();
  build_store(dataset, directory / "store", options);
  options.jobs = 4;
  EXPECT_EQ(build_store(dataset, directory / "store", options).outcome,
            IngestOutcome::kAlreadyThere);
}

// A store of three shards, cut off: the manifest was never written.
class CutOffIngestTest : public testing::Test {
 protected:
  CutOffIngestTest() : dataset_(two_camera_dataset(3, 4)) {
    build_store(dataset_, store(), several_shards());
    whole_ = store_bytes(store());
    fs::remove(store() / "manifest.json");
  }
  fs::path store() const { return directory_ / "store"; }
  void expect_continued() {
    EXPECT_EQ(build_store(dataset_, store(), several_shards()).outcome, IngestOutcome::kContinued);
    EXPECT_EQ(names_in(store()),
              (Names{"manifest.json", "shard-00000.h5", "shard-00001.h5", "shard-00002.h5"}));
    EXPECT_TRUE(store_bytes(store()) == whole_);
  }
  // Nothing is lost: the damaged shard stays beside the one that was made again.
  void expect_continued_and_damaged_kept() {
    EXPECT_EQ(build_store(dataset_, store(), several_shards()).outcome, IngestOutcome::kContinued);
    EXPECT_TRUE(fs::remove(store() / "shard-00001.h5.damaged"));
    EXPECT_TRUE(store_bytes(store()) == whole_);
  }
  TestDirectory directory_;
  FakeDataset dataset_;
  std::map<std::string, std::string> whole_;
};

TEST_F(CutOffIngestTest, IsContinuedAfterTheLastShard) {
  fs::remove(store() / "shard-00002.h5");
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWithAShardMissingInTheMiddle) {
  fs::remove(store() / "shard-00001.h5");
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWhenOnlyTheManifestIsMissing) { expect_continued(); }

TEST_F(CutOffIngestTest, LeavesFinishedShardsUntouched) {
  fs::remove(store() / "shard-00002.h5");
  const auto written = fs::last_write_time(store() / "shard-00000.h5");
  expect_continued();
  EXPECT_EQ(fs::last_write_time(store() / "shard-00000.h5"), written);
}

// As temporary_name_beside, but by a process that is gone.
fs::path name_of_dead_writer(const fs::path& path) {
  const pid_t child = ::fork();
  if (child == 0) std::_Exit(0);
  ::waitpid(child, nullptr, 0);
  std::string name = common::temporary_name_beside(path).string();
  const std::string own = "." + std::to_string(::getpid()) + ".";
  return name.replace(name.rfind(own), own.size(), "." + std::to_string(child) + ".");
}

TEST_F(CutOffIngestTest, LeavesWhatALivingWriterIsWriting) {
  const fs::path living = common::temporary_name_beside(store() / "shard-00002.h5");
  fs::rename(store() / "shard-00002.h5", living);
  EXPECT_EQ(build_store(dataset_, store(), several_shards()).outcome, IngestOutcome::kContinued);
  EXPECT_TRUE(fs::remove(living));
  EXPECT_TRUE(store_bytes(store()) == whole_);
}

TEST_F(CutOffIngestTest, RemovesAHalfWrittenShard) {
  fs::rename(store() / "shard-00002.h5", name_of_dead_writer(store() / "shard-00002.h5"));
  expect_continued();
}

TEST_F(CutOffIngestTest, IsContinuedWhenItDiedWhileWritingTheManifest) {
  std::ofstream(name_of_dead_writer(store() / "manifest.json")) << "{ \"cameras\"";
  expect_continued();
}

TEST_F(CutOffIngestTest, MakesADamagedShardAgain) {
  flip_bit(store() / "shard-00001.h5", place_of_frame(store() / "shard-00001.h5", 3));
  expect_continued_and_damaged_kept();
}

// Columns and joints have no checksum of their own; the uuid speaks for them.
TEST_F(CutOffIngestTest, MakesAShardWithADamagedColumnAgain) {
  const fs::path shard = store() / "shard-00001.h5";
  haddr_t place = 0;
  {
    const Hdf5Handle file = open_hdf5_file(shard.string());
    place = H5Dget_offset(open_dataset(file, "/tracklets/identity", shard.string()).get());
  }
  flip_bit(shard, place);
  expect_continued_and_damaged_kept();
}

TEST_F(CutOffIngestTest, MakesATruncatedShardAgain) {
  fs::resize_file(store() / "shard-00001.h5", 1000);
  expect_continued_and_damaged_kept();
}

TEST_F(CutOffIngestTest, MakesAShardAgainThatWasRemovedFromAFinishedStore) {
  build_store(dataset_, store(), several_shards());
  fs::remove(store() / "shard-00001.h5");
  expect_continued();
}

// Bytes after the end of an HDF5 file are no damage to HDF5, but the manifest's checksums fail.
TEST_F(CutOffIngestTest, MakesAShardOfAFinishedStoreAgainThatHasAnotherSize) {
  build_store(dataset_, store(), several_shards());
  const fs::path shard = store() / "shard-00001.h5";
  const auto size = fs::file_size(shard);
  for (const uint64_t other : {size + 100, size - 100, uint64_t{0}}) {
    fs::resize_file(shard, other);
    expect_continued_and_damaged_kept();
  }
}

TEST_F(CutOffIngestTest, IsRefusedWhileItIsBegunWithOtherSettings) {
  fs::remove_all(store());
  fs::create_directory(store());
  std::ofstream(store() / ".ingest-0123").flush();
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset_, store(), several_shards()); });
  EXPECT_TRUE(contains(text, store().string())) << text;
  EXPECT_EQ(names_in(store()), Names{".ingest-0123"});
}

TEST_F(CutOffIngestTest, RefusesToContinueWithOtherOptions) {
  const auto before = store_bytes(store());
  IngestOptions other = several_shards();
  other.frame_height = 32;
  const std::string text = failure_text<InputError>([&] { build_store(dataset_, store(), other); });
  EXPECT_TRUE(contains(text, "shard-00000.h5")) << text;
  EXPECT_TRUE(store_bytes(store()) == before);
}

// Every option that decides the bytes.
class OtherOptionsTest : public testing::TestWithParam<void (*)(IngestOptions&)> {};

TEST_P(OtherOptionsTest, AreRefusedAndTheOldStoreStays) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(2, 3);
  build_store(dataset, directory / "store");
  const auto before = store_bytes(directory / "store");
  IngestOptions options = small_options();
  GetParam()(options);
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store", options); });
  EXPECT_TRUE(contains(text, (directory / "store").string())) << text;
  EXPECT_TRUE(store_bytes(directory / "store") == before);
}

INSTANTIATE_TEST_SUITE_P(Options, OtherOptionsTest,
                         testing::Values([](IngestOptions& o) { o.frame_height = 32; },
                                         [](IngestOptions& o) { o.frame_width = 20; },
                                         [](IngestOptions& o) {
                                           o.encoding = FrameEncoding::kJpeg;
                                         },
                                         [](IngestOptions& o) { o.flow_height = 6; },
                                         [](IngestOptions& o) { o.flow_width = 6; },
                                         [](IngestOptions& o) { o.flow_height = o.flow_width = 0; },
                                         [](IngestOptions& o) { o.shard_bytes = 1; }));

// Refuses `changed` where a store of two_camera_dataset(2, 3) stands.
void expect_other_data(const FakeDataset& original, const FakeDataset& changed) {
  const TestDirectory directory;
  build_store(original, directory / "store");
  const auto before = store_bytes(directory / "store");
  EXPECT_THROW(build_store(changed, directory / "store"), InputError);
  EXPECT_TRUE(store_bytes(directory / "store") == before);
}

TEST(OtherDataTest, OneTrackletMoreIsRefused) {
  FakeDataset changed = two_camera_dataset(2, 3);
  changed.add(3, 1, 3);
  expect_other_data(two_camera_dataset(2, 3), changed);
}

TEST(OtherDataTest, AnotherSequenceNumberIsRefused) {
  FakeDataset changed = two_camera_dataset(2, 3);
  changed.rename_sequence(1, 9);
  expect_other_data(two_camera_dataset(2, 3), changed);
}

TEST(OtherDataTest, AnotherSourceByteIsRefused) {
  const TestDirectory sources;
  std::ofstream(sources / "a.png") << "before";
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.come_from({sources / "a.png"});
  const TestDirectory directory;
  build_store(dataset, directory / "store");
  std::ofstream(sources / "a.png") << "behind";
  EXPECT_THROW(build_store(dataset, directory / "store"), InputError);
}

TEST(ForeignDirectoryTest, WithFilesOfOthersIsRefusedAndStays) {
  const TestDirectory directory;
  std::ofstream(directory / "thesis.tex") << "years of work";
  const std::string text =
      failure_text<InputError>([&] { build_store(two_camera_dataset(1, 1), directory.path()); });
  EXPECT_TRUE(contains(text, directory.path().string())) << text;
  EXPECT_TRUE(contains(text, "thesis.tex")) << text;
  EXPECT_EQ(names_in(directory.path()), Names{"thesis.tex"});
  EXPECT_EQ(common::read_file(directory / "thesis.tex"), "years of work");
}

TEST(ForeignDirectoryTest, AFileOfThatNameIsRefusedAndStays) {
  const TestDirectory directory;
  std::ofstream(directory / "store") << "a file";
  EXPECT_THROW(build_store(two_camera_dataset(1, 1), directory / "store"), InputError);
  EXPECT_EQ(common::read_file(directory / "store"), "a file");
}

TEST(ForeignDirectoryTest, AnEmptyOneIsUsed) {
  const TestDirectory directory;
  EXPECT_EQ(build_store(two_camera_dataset(1, 1), directory.path()).outcome, IngestOutcome::kBuilt);
}

TEST(UnreadableFrameTest, FailsAndIsNamed) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(2, 1);
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store"); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
  EXPECT_FALSE(fs::exists(directory / "store"));
}

TEST(UnreadableFrameTest, AnEmptyDirectoryThatWasThereBeforeStays) {
  const TestDirectory directory;
  fs::create_directory(directory / "store");
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(2, 1);
  EXPECT_THROW(build_store(dataset, directory / "store"), InputError);
  EXPECT_EQ(names_in(directory / "store"), Names{});
}

TEST(UnreadableFrameTest, FailsTheSameInSeveralThreads) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(4, 3);
  dataset.break_frame(2, 1);
  dataset.break_frame(5, 0);
  IngestOptions options = small_options();
  options.jobs = 4;
  const std::string text =
      failure_text<InputError>([&] { build_store(dataset, directory / "store", options); });
  EXPECT_TRUE(contains(text, dataset.tracklets()[2].name)) << text;
}

TEST(UnreadableFrameTest, LeavesOutThatTrackletWhenAsked) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(1, 2);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest = build_store(dataset, directory / "store", options).manifest;
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_EQ(manifest.frames, 9);
  const TrackletStore store(directory / "store");
  ASSERT_EQ(store.tracklets().size(), 3u);
  const size_t kept[] = {0, 2, 3};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(store.tracklets()[i].identity, dataset.tracklets()[kept[i]].identity);
    EXPECT_EQ(store.read_image(store.tracklets()[i], 1).rgb,
              dataset.read_frame(kept[i], 1).image.rgb);
  }
}

TEST(UnreadableFrameTest, TellsWhichTrackletWasLeftOut) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 3);
  dataset.break_frame(1, 2);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  NoteKeeper progress;
  ingest(dataset, directory / "store", options, progress);
  ASSERT_FALSE(progress.notes.empty());
  EXPECT_TRUE(contains(progress.notes[0], dataset.tracklets()[1].name)) << progress.notes[0];
}

TEST(UnreadableFrameTest, ATrackletWithoutTheJointsOfTheOthersIsLeftOutWhenAsked) {
  const TestDirectory directory;
  FakeDataset dataset = two_camera_dataset(2, 2);
  dataset.give_joints({1});
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  const Manifest manifest = build_store(dataset, directory / "store", options).manifest;
  EXPECT_EQ(manifest.tracklets, 3);
  ASSERT_EQ(manifest.left_out.size(), 1u);
  EXPECT_TRUE(contains(manifest.left_out[0].reason, "joints")) << manifest.left_out[0].reason;
}

TEST(FinishedStoreTest, ADamagedShardOfTheSameSizeIsMadeAgain) {
  const TestDirectory directory;
  const FakeDataset dataset = two_camera_dataset(3, 4);
  build_store(dataset, directory / "store", several_shards());
  const auto whole = store_bytes(directory / "store");
  for (const uint64_t byte : {uint64_t{3}, uint64_t{9000}}) {
    flip_bit(directory / "store/shard-00001.h5", byte);
    EXPECT_EQ(build_store(dataset, directory / "store", several_shards()).outcome,
              IngestOutcome::kContinued);
    EXPECT_TRUE(fs::remove(directory / "store/shard-00001.h5.damaged"));
    EXPECT_TRUE(store_bytes(directory / "store") == whole);
  }
}

TEST(UnreadableFrameTest, NothingReadableIsAnInputError) {
  const TestDirectory directory;
  FakeDataset dataset;
  dataset.add(1, 1, 1);
  dataset.break_frame(0, 0);
  IngestOptions options = small_options();
  options.on_error = OnError::kSkip;
  EXPECT_THROW(build_store(dataset, directory / "store", options), InputError);
}

// A disk of 2 MiB that can fill up: a mounted one where the user may, else a limit on every file's
// size.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& place) : place_(place.string()) {
    fs::create_directories(place);
    mounted_ = ::mount("tmpfs", place_.c_str(), "tmpfs", 0, "size=2m") == 0;
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
  }
  ~SmallDisk() {
    grow();
    std::signal(SIGXFSZ, old_handler_);
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  // Somebody else's file takes what is left, but for 40 KiB.
  void fill() const {
    if (!mounted_) {
      const rlimit limit{40 << 10, old_.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      return;
    }
    std::ofstream other(place_ + "/other");
    const uint64_t free = fs::space(place_).available;
    other << std::string(free > (40 << 10) ? free - (40 << 10) : 0, 'x');
  }
  void grow() {
    std::error_code ignored;
    fs::remove(place_ + "/other", ignored);
    ::setrlimit(RLIMIT_FSIZE, &old_);
  }

 private:
  const std::string place_;
  bool mounted_ = false;
  rlimit old_{};
  void (*old_handler_)(int) = SIG_DFL;
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
                         testing::Values(FrameEncoding::kRaw, FrameEncoding::kJpeg),
                         [](const auto& parameter) {
                           return parameter.param == FrameEncoding::kRaw ? "Raw" : "Jpeg";
                         });

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

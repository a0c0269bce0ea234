#include "datastore/clip_loader.h"

#include <gtest/gtest.h>

#include "datastore/annotation_writer.h"
#include "datastore/protocol.h"
#include "tests/datastore/small_store.h"

namespace muster::datastore {
namespace {
using common::contains;
using common::failure_text;
using common::TestDirectory;

// A store of 4 identities, batches of 2 x 2 clips of 3 frames.
class ClipLoaderTest : public testing::Test {
 protected:
  ClipLoaderTest() {
    build_store(two_camera_dataset(4, 5), path(), small_options(FrameEncoding::kJpeg));
    open();
  }
  std::filesystem::path path() const { return directory_ / "store"; }
  void open() {
    store_ = std::make_unique<TrackletStore>(path());
    BatchOptions options;
    options.identities = 2, options.clips = 2, options.frames = 3;
    planner_ = create_batch_planner(
        *store_, std::vector<int32_t>(store_->tracklets().size(), kRoleTrain), format_, options);
  }
  // Without the functions that read many frames at once.
  StoredClip frame_by_frame(const StoredTracklet& tracklet,
                            const std::vector<int32_t>& frames) const {
    StoredClip content;
    content.frames = static_cast<int>(frames.size());
    content.height = 24, content.width = 16;
    content.flow_height = 12, content.flow_width = 8;
    for (const int32_t frame : frames) {
      const Image image = store_->read_image(tracklet, frame);
      content.rgb.insert(content.rgb.end(), image.rgb.begin(), image.rgb.end());
      const std::vector<int8_t> flow = store_->read_flow(tracklet, frame);
      content.flow.insert(content.flow.end(), flow.begin(), flow.end());
    }
    return content;
  }
  // The values of all clips of a step, one after the other, without the loader.
  std::vector<float> expected(int64_t step) const {
    std::vector<float> all;
    for (const ClipRequest& clip : planner_->batch(step)) {
      const StoredTracklet& tracklet = store_->tracklets()[static_cast<size_t>(clip.tracklet)];
      const StoredClip content = frame_by_frame(tracklet, clip.frames);
      std::vector<float> values(clip.frames.size() * clip_frame_values());
      apply_clip_transform(content.view(), format_, clip.transform, values.data());
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  size_t clip_frame_values() const {
    return static_cast<size_t>(format_.channels()) * format_.crop_height * format_.crop_width;
  }
  LoaderOptions steps(int64_t first, int64_t last, int threads = 1, int prefetch = 2) const {
    LoaderOptions options;
    options.first_step = first, options.last_step = last;
    options.threads = threads, options.prefetch_batches = prefetch;
    options.transform = true;
    return options;
  }

  TestDirectory directory_;
  const ClipFormat format_{24, 16, 20, 12, true};
  std::unique_ptr<TrackletStore> store_;
  std::unique_ptr<BatchPlanner> planner_;
};

TEST_F(ClipLoaderTest, ValuesDoNotDependOnThreadsOrPrefetch) {
  for (const int threads : {1, 3}) {
    for (const int prefetch : {1, 2, 7}) {
      ClipLoader loader(*store_, *planner_, format_, steps(1, 5, threads, prefetch));
      for (int64_t step = 1; step <= 5; ++step) {
        const LoadedBatch batch = loader.next();
        EXPECT_EQ(batch.step, step);
        EXPECT_EQ(batch.values, expected(step)) << threads << " " << prefetch << " " << step;
      }
    }
  }
}

TEST_F(ClipLoaderTest, SaysWhatTheBatchIs) {
  ClipLoader loader(*store_, *planner_, format_, steps(1, 1));
  const LoadedBatch batch = loader.next();
  EXPECT_EQ(batch_hash(batch.global), batch_hash(planner_->batch(1)));
  EXPECT_EQ(batch.frames, 3);
  EXPECT_EQ(batch.share.begin, 0);
  EXPECT_EQ(batch.share.end, 4);
  EXPECT_EQ(batch.values.size(), 4 * 3 * clip_frame_values());
  EXPECT_GT(batch.waited_seconds, 0)
      << "nobody can have read the first one before it was asked for";
}

TEST_F(ClipLoaderTest, TheSharesOfAllRanksTogetherAreTheBatch) {
  for (const int size : {1, 2, 3}) {
    std::vector<std::unique_ptr<ClipLoader>> loaders;
    for (int rank = 0; rank < size; ++rank) {
      LoaderOptions options = steps(1, 3, 2);
      options.rank = rank, options.size = size;
      loaders.push_back(std::make_unique<ClipLoader>(*store_, *planner_, format_, options));
    }
    for (int64_t step = 1; step <= 3; ++step) {
      std::vector<float> together;
      for (const auto& loader : loaders) {
        const LoadedBatch batch = loader->next();
        EXPECT_EQ(batch.global.size(), 4u);
        together.insert(together.end(), batch.values.begin(), batch.values.end());
      }
      EXPECT_EQ(together, expected(step)) << size << " ranks, step " << step;
    }
  }
}

TEST_F(ClipLoaderTest, StartingAtAStepGivesThatStepsBatch) {
  ClipLoader loader(*store_, *planner_, format_, steps(5, 6));
  const LoadedBatch fifth = loader.next();
  EXPECT_EQ(fifth.step, 5);
  EXPECT_EQ(fifth.values, expected(5));
  EXPECT_EQ(loader.next().values, expected(6));
}

TEST_F(ClipLoaderTest, AnEmptyShareIsHandedOutAtEveryStep) {
  LoaderOptions options = steps(1, 4, 2);
  options.size = 9;
  for (int rank = 0; rank < options.size; ++rank) {
    const ClipRange share = share_of_rank(4, rank, options.size);
    if (share.end > share.begin) continue;
    options.rank = rank;
    ClipLoader loader(*store_, *planner_, format_, options);
    for (int64_t step = 1; step <= 4; ++step) {
      const LoadedBatch batch = loader.next();
      EXPECT_EQ(batch.step, step);
      EXPECT_TRUE(batch.values.empty());
      EXPECT_EQ(batch.global.size(), 4u);
    }
  }
}

TEST_F(ClipLoaderTest, CanBeDestroyedBeforeItIsDrained) {
  ClipLoader loader(*store_, *planner_, format_, steps(1, 1000, 3, 5));
  loader.next();
}

TEST_F(ClipLoaderTest, CanBeDestroyedUnused) {
  const ClipLoader loader(*store_, *planner_, format_, steps(1, 1000, 3, 5));
}

TEST_F(ClipLoaderTest, AskingBeyondTheLastStepBreaksARequirement) {
  ClipLoader loader(*store_, *planner_, format_, steps(1, 1));
  loader.next();
  EXPECT_THROW(loader.next(), common::RequirementError);
}

TEST_F(ClipLoaderTest, NoThreadsBreakARequirement) {
  EXPECT_THROW(ClipLoader(*store_, *planner_, format_, steps(1, 1, 0)), common::RequirementError);
}

TEST_F(ClipLoaderTest, ACorruptedFramesErrorComesOutOfTheStepThatNeedsIt) {
  // A frame of the third batch that the first two do not touch.
  const auto rows = [&](int64_t step) {
    std::set<int64_t> found;
    for (const ClipRequest& clip : planner_->batch(step)) {
      for (const int32_t frame : clip.frames) {
        found.insert(store_->tracklets()[static_cast<size_t>(clip.tracklet)].first_frame + frame);
      }
    }
    return found;
  };
  std::set<int64_t> earlier = rows(1);
  earlier.merge(rows(2));
  std::vector<int64_t> fresh;
  for (const int64_t row : rows(3)) {
    if (earlier.count(row) == 0) fresh.push_back(row);
  }
  ASSERT_FALSE(fresh.empty());
  const std::filesystem::path shard = path() / "shard-00000.h5";
  flip_bit(shard, place_of_frame(shard, fresh.front()) + 30);
  open();
  for (const int threads : {1, 3}) {
    ClipLoader loader(*store_, *planner_, format_, steps(1, 10, threads, 4));
    loader.next();
    loader.next();
    const std::string text = failure_text<common::SystemError>([&] { loader.next(); });
    EXPECT_TRUE(contains(text, shard.string())) << text;
    EXPECT_TRUE(contains(text, "frame " + std::to_string(fresh.front()))) << text;
  }
}

TEST_F(ClipLoaderTest, AStoreWithoutFlowIsRefusedForANetworkThatNeedsIt) {
  build_store(two_camera_dataset(4, 5), directory_ / "without", without_flow());
  const TrackletStore store(directory_ / "without");
  const std::string text =
      failure_text<common::InputError>([&] { ClipLoader(store, *planner_, format_, steps(1, 1)); });
  EXPECT_TRUE(contains(text, (directory_ / "without").string())) << text;
}

TEST_F(ClipLoaderTest, ANetworkWithoutFlowReadsAnyStore) {
  ClipFormat format = format_;
  format.flow = false;
  ClipLoader loader(*store_, *planner_, format, steps(1, 1));
  EXPECT_EQ(loader.next().values.size(), size_t{4 * 3 * 3 * 20 * 12});
}

TEST_F(ClipLoaderTest, ReadClipGivesTheAskedFramesInTheirOrder) {
  const StoredTracklet& tracklet = store_->tracklets()[2];
  const std::vector<int32_t> frames = {4, 0, 1, 2, 4};
  const StoredClip clip = read_clip(*store_, tracklet, frames, true);
  const StoredClip expected = frame_by_frame(tracklet, frames);
  EXPECT_EQ(clip.frames, 5);
  EXPECT_EQ(clip.rgb, expected.rgb);
  EXPECT_EQ(clip.flow, expected.flow);
  EXPECT_EQ(clip.flow_height, 12);
  EXPECT_EQ(clip.flow_width, 8);
}

TEST_F(ClipLoaderTest, ReadClipLeavesOutFlowThatIsNotAskedFor) {
  EXPECT_TRUE(read_clip(*store_, store_->tracklets()[2], {1}, false).flow.empty());
}

TEST_F(ClipLoaderTest, ABatchHoldsTheStoredBytesOfItsShare) {
  LoaderOptions options = steps(1, 3, 2);
  options.rank = 1, options.size = 2;
  ClipLoader loader(*store_, *planner_, format_, options);
  for (int64_t step = 1; step <= 3; ++step) {
    const LoadedBatch batch = loader.next();
    ASSERT_EQ(batch.share.end - batch.share.begin, 2);
    for (int64_t clip = 0; clip < 2; ++clip) {
      const ClipRequest& request = batch.global[static_cast<size_t>(batch.share.begin + clip)];
      const StoredClip expected = frame_by_frame(
          store_->tracklets()[static_cast<size_t>(request.tracklet)], request.frames);
      const ClipView view = batch.clip(clip);
      EXPECT_EQ(std::vector<uint8_t>(view.rgb, view.rgb + expected.rgb.size()), expected.rgb);
      EXPECT_EQ(std::vector<int8_t>(view.flow, view.flow + expected.flow.size()), expected.flow);
    }
  }
}

TEST_F(ClipLoaderTest, ValuesAreMadeOnlyWhenAskedFor) {
  LoaderOptions options = steps(1, 1);
  options.transform = false;
  const LoadedBatch batch = ClipLoader(*store_, *planner_, format_, options).next();
  EXPECT_TRUE(batch.values.empty());
  EXPECT_EQ(batch.rgb.size(), size_t{4 * 3 * 24 * 16 * 3});
  EXPECT_EQ(batch.flow.size(), size_t{4 * 3 * 12 * 8 * 2});
}

TEST_F(ClipLoaderTest, RecycledMemoryHoldsTheNextBatchesContentOnly) {
  ClipLoader loader(*store_, *planner_, format_, steps(1, 12, 3, 3));
  for (int64_t step = 1; step <= 12; ++step) {
    LoadedBatch batch = loader.next();
    EXPECT_EQ(batch.values, expected(step)) << step;
    EXPECT_EQ(batch.rgb.size(), size_t{4 * 3 * 24 * 16 * 3});
    std::fill(batch.rgb.begin(), batch.rgb.end(), uint8_t{77});
    std::fill(batch.values.begin(), batch.values.end(), -1e9f);
    if (step % 3 != 0) loader.recycle(std::move(batch));
  }
}

TEST_F(ClipLoaderTest, AClipBeyondTheShareBreaksARequirement) {
  const LoadedBatch batch = ClipLoader(*store_, *planner_, format_, steps(1, 1)).next();
  EXPECT_THROW(batch.clip(4), common::RequirementError);
  EXPECT_THROW(batch.clip(-1), common::RequirementError);
}

TEST_F(ClipLoaderTest, AFormatWithJointsNeedsAStoreWithJoints) {
  ClipFormat format = format_;
  format.joints = true;
  const std::string text = failure_text<common::InputError>(
      [&] { ClipLoader(*store_, *planner_, format, steps(1, 1)); });
  EXPECT_TRUE(contains(text, path().string())) << text;
  EXPECT_TRUE(contains(text, "joints")) << text;
}

TEST_F(ClipLoaderTest, JointsComeAsStoredAndInTheWindow) {
  FakeDataset dataset = two_camera_dataset(4, 5);
  dataset.give_joints();
  build_store(dataset, directory_ / "joints");
  const TrackletStore store(directory_ / "joints");
  ClipFormat format = format_;
  format.joints = true;
  ClipLoader loader(store, *planner_, format, steps(1, 2, 2));
  for (int64_t step = 1; step <= 2; ++step) {
    const LoadedBatch batch = loader.next();
    for (size_t clip = 0; clip < 4; ++clip) {
      const ClipRequest& request = batch.global[clip];
      for (size_t frame = 0; frame < 3; ++frame) {
        for (int number = 0; number < kJointCount; ++number) {
          const Joint expected_joint =
              dataset.joint(static_cast<size_t>(request.tracklet), request.frames[frame], number);
          const size_t place = (clip * 3 + frame) * kJointCount + static_cast<size_t>(number);
          EXPECT_EQ(batch.joints[place].x, expected_joint.x);
          EXPECT_EQ(batch.joints[place].y, expected_joint.y);
          const auto& window =
              batch.joints_in_window[(clip * 3 + frame) * kJointCount +
                                     static_cast<size_t>(
                                         request.transform.flip ? mirrored_joint(number) : number)];
          EXPECT_FLOAT_EQ(window.y, expected_joint.y - request.transform.crop_y);
        }
      }
    }
  }
}

// A store without joints in its shards gets those of the dataset as an annotation.
TEST_F(ClipLoaderTest, JointsOfAnAnnotationMakeTheBatchesOfJointsInShards) {
  FakeDataset dataset = two_camera_dataset(4, 5);
  IngestOptions several = small_options();
  several.shard_bytes = 15000;  // two tracklets
  build_store(dataset, directory_ / "annotated", several);
  const TrackletStore bare(directory_ / "annotated");
  ASSERT_GE(bare.manifest().shards.size(), 3u);
  dataset.give_joints();
  build_store(dataset, directory_ / "in-shards", several);
  common::SilentProgress progress;
  const auto joints_of = [&](const StoredTracklet& tracklet, int64_t frame) {
    std::vector<Joint> joints;
    const size_t row = static_cast<size_t>((tracklet.camera - 1) * 4 + tracklet.identity - 1);
    for (int number = 0; number < kJointCount; ++number) {
      joints.push_back(dataset.joint(row, frame, number));
    }
    return joints;
  };
  write_joint_annotation(bare, "pose", "a test", joints_of, progress);
  const TrackletStore annotated(directory_ / "annotated", {true, "pose"});
  const TrackletStore in_shards(directory_ / "in-shards");
  ClipFormat format = format_;
  format.joints = true;
  const auto as_numbers = [](const std::vector<Joint>& joints) {
    std::vector<float> numbers;
    for (const Joint& joint : joints) {
      numbers.insert(numbers.end(), {joint.x, joint.y, joint.confidence});
    }
    return numbers;
  };
  int flipped = 0;
  for (int rank = 0; rank < 3; ++rank) {
    LoaderOptions options = steps(3, 6, 1 + rank);  // beginning in the middle
    options.rank = rank, options.size = 3;
    ClipLoader one(annotated, *planner_, format, options),
        other(in_shards, *planner_, format, options);
    for (int64_t step = 3; step <= 6; ++step) {
      const LoadedBatch batch = one.next(), expected = other.next();
      EXPECT_EQ(batch_hash(batch.global), batch_hash(expected.global));
      EXPECT_EQ(batch.rgb, expected.rgb);
      EXPECT_EQ(batch.values, expected.values);
      ASSERT_EQ(batch.joints.size(),
                static_cast<size_t>(batch.share.end - batch.share.begin) * 3 * kJointCount);
      EXPECT_EQ(as_numbers(batch.joints), as_numbers(expected.joints));
      EXPECT_EQ(as_numbers(batch.joints_in_window), as_numbers(expected.joints_in_window));
      for (const ClipRequest& clip : batch.global) flipped += clip.transform.flip ? 1 : 0;
    }
  }
  EXPECT_GT(flipped, 0);
}

TEST_F(ClipLoaderTest, AnAnnotationGoesBeforeTheJointsInShardsWhenItIsNamed) {
  FakeDataset dataset = two_camera_dataset(4, 5);
  dataset.give_joints();
  build_store(dataset, directory_ / "joints");
  common::SilentProgress progress;
  write_joint_annotation(
      TrackletStore(directory_ / "joints"), "better", "a test",
      [](const StoredTracklet&, int64_t) {
        return std::vector<Joint>(kJointCount, {7, 8, 1});
      },
      progress);
  const auto first_x = [&](const JointSource& source) {
    const TrackletStore store(directory_ / "joints", source);
    return read_clip(store, store.tracklets()[1], {2}, false, true).joints[3].x;
  };
  EXPECT_EQ(first_x({true, "better"}), 7);
  EXPECT_EQ(first_x({true, ""}), dataset.joint(1, 2, 3).x);
}

TEST_F(ClipLoaderTest, ABatchOfOneClipIsAsLongAsItsTracklet) {
  FakeDataset dataset;
  for (int32_t identity = 1; identity <= 4; ++identity) dataset.add(identity, 1, 2 + identity);
  build_store(dataset, directory_ / "uneven");
  const TrackletStore store(directory_ / "uneven");
  BatchOptions options;
  options.sampler = Sampler::kTracklets;
  options.frame_choice = FrameChoice::kAll;
  const auto planner = create_batch_planner(
      store, std::vector<int32_t>(store.tracklets().size(), kRoleTrain), format_, options);
  for (int rank = 0; rank < 2; ++rank) {
    LoaderOptions steps_of_rank = steps(1, 9, 2);
    steps_of_rank.rank = rank, steps_of_rank.size = 2;
    ClipLoader loader(store, *planner, format_, steps_of_rank);
    for (int64_t step = 1; step <= 9; ++step) {
      LoadedBatch batch = loader.next();
      const auto row = static_cast<size_t>(batch.global.at(0).tracklet);
      EXPECT_EQ(batch.frames, store.tracklets()[row].length);
      if (batch.share.end > batch.share.begin) {
        std::vector<uint8_t> expected;
        for (int64_t frame = 0; frame < batch.frames; ++frame) {
          const Image image = store.read_image(store.tracklets()[row], frame);
          expected.insert(expected.end(), image.rgb.begin(), image.rgb.end());
        }
        EXPECT_EQ(std::vector<uint8_t>(batch.rgb.begin(), batch.rgb.end()), expected) << step;
        EXPECT_EQ(batch.values.size(), static_cast<size_t>(batch.frames) * clip_frame_values());
      } else {
        EXPECT_TRUE(batch.values.empty());
      }
      loader.recycle(std::move(batch));
    }
  }
}

}  // namespace
}  // namespace muster::datastore

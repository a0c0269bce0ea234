#include "trainer/checkpoint.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/common/support.h"
#include "tests/models/support.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;

CheckpointState example_state(int64_t step) {
  CheckpointState state;
  state.step = step;
  state.training = "abc";
  state.identities = 12;
  state.loss = 0.1;
  state.losses = {{"identity", 0.3}};
  state.mean_loss = 1.0 / 3;
  state.seconds = 12.5;
  state.rejected_steps = {3, 4};
  state.skipped_in_a_row = 5;
  state.roll_backs = 2;
  state.carried.gradient_order = {2, 0, 1};
  state.carried.loss_scale = {4096, 1999};
  return state;
}

models::NamedTensors example_model() {
  return {{"layer.weight", at::arange(6, at::kDouble).view({2, 3}) / 7}, {"bias", at::ones({2})}};
}

class CheckpointTest : public testing::Test {
 protected:
  fs::path write(int64_t step) {
    write_checkpoint(directory_.path(), example_state(step), example_model(),
                     {{"bias.momentum", at::full({2}, 0.5)},
                      {"steps", at::scalar_tensor(int64_t{9}, at::kLong)}});
    return directory_ / checkpoint_name(step);
  }
  common::TestDirectory directory_;
};

TEST_F(CheckpointTest, IsReadBackToTheBit) {
  const CheckpointContent content = read_checkpoint(write(40));
  const CheckpointState expected = example_state(40);
  EXPECT_EQ(content.state.step, 40);
  EXPECT_EQ(content.state.training, expected.training);
  EXPECT_EQ(content.state.identities, expected.identities);
  EXPECT_EQ(content.state.loss, expected.loss);
  EXPECT_EQ(content.state.losses, expected.losses);
  EXPECT_EQ(content.state.mean_loss, expected.mean_loss);
  EXPECT_EQ(content.state.seconds, expected.seconds);
  EXPECT_EQ(content.state.rejected_steps, expected.rejected_steps);
  EXPECT_EQ(content.state.skipped_in_a_row, expected.skipped_in_a_row);
  EXPECT_EQ(content.state.roll_backs, expected.roll_backs);
  EXPECT_EQ(content.state.carried.gradient_order, expected.carried.gradient_order);
  EXPECT_EQ(content.state.carried.loss_scale.scale, expected.carried.loss_scale.scale);
  EXPECT_EQ(content.state.carried.loss_scale.good_steps, expected.carried.loss_scale.good_steps);
  ASSERT_EQ(content.model.size(), 2u);
  EXPECT_TRUE(models::same_values(content.model.at("layer.weight"), example_model()[0].second));
  EXPECT_EQ(content.optimizer.at("bias.momentum")[1].item<float>(), 0.5);
  EXPECT_EQ(content.optimizer.at("steps").item<int64_t>(), 9);
}

TEST_F(CheckpointTest, ALossThatIsNoNumberIsReadBack) {
  CheckpointState state = example_state(1);
  state.mean_loss = std::numeric_limits<double>::quiet_NaN();
  write_checkpoint(directory_.path(), state, example_model(), {});
  EXPECT_TRUE(std::isnan(read_checkpoint_state(directory_ / checkpoint_name(1)).mean_loss));
}

TEST_F(CheckpointTest, EveryFlippedBitIsNoticed) {
  const fs::path folder = write(7);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const std::string whole = common::read_file(folder / name);
    for (size_t place = 0; place < whole.size(); place += 1 + whole.size() / 97) {
      std::string damaged = whole;
      damaged[place] = static_cast<char>(damaged[place] ^ (1 << (place % 8)));
      common::write_file_atomically(folder / name, damaged);
      const std::string text = failure_text<InputError>([&] { read_checkpoint(folder); });
      EXPECT_TRUE(contains(text, folder.string())) << name << " at " << place << ": " << text;
    }
    common::write_file_atomically(folder / name, whole);
  }
  EXPECT_NO_THROW(read_checkpoint(folder));
}

TEST_F(CheckpointTest, FilesThatAreCutOffOrMissingAreNoticed) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    const fs::path folder = write(7);
    const std::string whole = common::read_file(folder / name);
    for (const size_t length : {size_t{0}, whole.size() / 2, whole.size() - 2}) {
      common::write_file_atomically(folder / name, whole.substr(0, length));
      EXPECT_THROW(read_checkpoint(folder), InputError) << name << " of " << length;
    }
    fs::remove(folder / name);
    EXPECT_THROW(read_checkpoint(folder), InputError) << name;
    fs::remove_all(folder);
  }
}

// Larger than all memory, and nothing of it is read.
TEST_F(CheckpointTest, AFileOfAnotherLengthIsNotRead) {
  const fs::path folder = write(40);
  fs::resize_file(folder / "model.safetensors", uintmax_t{1} << 42);
  const std::string text = failure_text<InputError>([&] { read_checkpoint(folder); });
  EXPECT_TRUE(common::contains(text, "model.safetensors")) << text;
}

TEST_F(CheckpointTest, AFolderUnderAnotherNameIsNoticed) {
  fs::rename(write(7), directory_ / checkpoint_name(8));
  EXPECT_THROW(read_checkpoint(directory_ / checkpoint_name(8)), InputError);
}

TEST_F(CheckpointTest, WhatStoodUnderItsNameIsKept) {
  write(7);
  write(7);
  write(7);
  EXPECT_EQ(common::names_in(directory_.path()),
            (std::vector<std::string>{"step-00000007", "step-00000007.replaced-1",
                                      "step-00000007.replaced-2"}));
}

TEST_F(CheckpointTest, OnlyNamesOfCheckpointsCount) {
  write(7);
  write(123456789);
  write(0);
  for (const char* name : {"step-7", "step-00000008.tmp", ".step-00000009.tmp.here.1.0",
                           "step-0000000x", "step-00000011.replaced-1", "best", "step-"}) {
    fs::create_directories(directory_ / name);
  }
  EXPECT_EQ(checkpoint_steps(directory_.path()), (std::vector<int64_t>{0, 7, 123456789}));
  EXPECT_TRUE(checkpoint_steps(directory_ / "nowhere").empty());
}

TEST_F(CheckpointTest, OneIsRemovedWithoutTheOthers) {
  write(1);
  write(2);
  remove_checkpoint(directory_.path(), 1);
  EXPECT_EQ(common::names_in(directory_.path()), std::vector<std::string>{"step-00000002"});
}

TEST_F(CheckpointTest, RemainsOfDeadWritersGoOthersStay) {
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(2);
  for (const char* name : {".step-00000009.tmp.elsewhere.1.0", ".notes.tmp.elsewhere.1.0"}) {
    fs::create_directories(directory_ / name);
    fs::last_write_time(directory_ / name, old);
  }
  write(1);
  remove_remains_of_checkpoints(directory_.path());
  EXPECT_EQ(common::names_in(directory_.path()),
            (std::vector<std::string>{".notes.tmp.elsewhere.1.0", "step-00000001"}));
}

}  // namespace
}  // namespace muster::trainer

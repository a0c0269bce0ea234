#include "datastore/shard_claim.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::datastore {
namespace {

using common::TestDirectory;

TEST(ShardClaimTest, OnlyOneHolderAtATime) {
  const TestDirectory directory;
  const auto first = ShardClaim::attempt(directory / "shard-00000.h5");
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(ShardClaim::attempt(directory / "shard-00000.h5").has_value());
  EXPECT_TRUE(ShardClaim::attempt(directory / "shard-00001.h5").has_value());
}

TEST(ShardClaimTest, EndsWithItsObjectAndLeavesNothing) {
  const TestDirectory directory;
  { const auto claim = ShardClaim::attempt(directory / "shard-00000.h5"); }
  EXPECT_TRUE(common::names_in(directory.path()).empty());
  EXPECT_TRUE(ShardClaim::attempt(directory / "shard-00000.h5").has_value());
}

TEST(ShardClaimTest, EndsWithItsProcess) {
  const TestDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto claim = ShardClaim::attempt(directory / "shard-00000.h5");
    std::_Exit(claim.has_value() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(common::names_in(directory.path()).size(), 1u);
  EXPECT_TRUE(ShardClaim::attempt(directory / "shard-00000.h5").has_value());
}

TEST(ShardClaimTest, RemovesOnlyWhatNobodyHolds) {
  const TestDirectory directory;
  const auto held = ShardClaim::attempt(directory / "shard-00000.h5");
  ShardClaim::remove_remains(directory / "shard-00000.h5");
  EXPECT_FALSE(ShardClaim::attempt(directory / "shard-00000.h5").has_value());
}

TEST(ShardClaimTest, AMissingFolderIsASystemError) {
  const TestDirectory directory;
  EXPECT_THROW(ShardClaim::attempt(directory / "absent/shard-00000.h5"), common::SystemError);
}

}  // namespace
}  // namespace muster::datastore

#include "datastore/store_mark.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::InputError;

TEST(StoreMarkTest, GoesWithItsObject) {
  const common::TestDirectory directory;
  { const StoreMark mark(directory.path(), "a"); }
  EXPECT_TRUE(fs::is_empty(directory.path()));
}

TEST(StoreMarkTest, OtherDataIsRefusedByTheStoresName) {
  const common::TestDirectory directory;
  const StoreMark mark(directory.path(), "a");
  const std::string text = failure_text<InputError>([&] { StoreMark(directory.path(), "b"); });
  EXPECT_TRUE(contains(text, directory.path().string() + ":")) << text;
  EXPECT_FALSE(fs::exists(directory / ".ingest-b"));
}

// Another of the same data may still be in its first shard when one of them fails.
TEST(StoreMarkTest, StaysWhileAnotherOfTheSameDataIsAtWork) {
  const common::TestDirectory directory;
  std::optional<StoreMark> first, second;
  first.emplace(directory.path(), "a");
  second.emplace(directory.path(), "a");
  first.reset();
  EXPECT_THROW(StoreMark(directory.path(), "b"), InputError);
  StoreMark::remove_unheld(directory.path(), "a");
  EXPECT_THROW(StoreMark(directory.path(), "b"), InputError);
  second.reset();
  EXPECT_NO_THROW(StoreMark(directory.path(), "b"));
}

TEST(StoreMarkTest, OfAKilledIngestStaysUntilItsDataIsIngested) {
  const common::TestDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    const StoreMark mark(directory.path(), "a");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_THROW(StoreMark(directory.path(), "b"), InputError);
  { const StoreMark again(directory.path(), "a"); }
  EXPECT_NO_THROW(StoreMark(directory.path(), "b"));
}

}  // namespace
}  // namespace muster::datastore

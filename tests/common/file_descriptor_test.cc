#include "common/file_descriptor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include "common/atomic_file.h"
#include "tests/common/support.h"

namespace muster::common {
namespace {

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

class DescriptorTest : public testing::Test {
 protected:
  Descriptor open_file(int flags = O_RDWR | O_CREAT) const {
    return Descriptor(::open(path().c_str(), flags | O_CLOEXEC, 0600));
  }
  std::filesystem::path path() const { return directory_ / "f"; }
  const TestDirectory directory_;
};

TEST_F(DescriptorTest, ClosesAtTheEndOfItsScope) {
  int value = -1;
  {
    const Descriptor file = open_file();
    value = file.get();
    EXPECT_TRUE(is_open(value));
  }
  EXPECT_FALSE(is_open(value));
}

TEST_F(DescriptorTest, AMovedOneClosesOnce) {
  Descriptor first = open_file();
  const int value = first.get();
  Descriptor second = std::move(first);
  EXPECT_FALSE(first.is_open());
  EXPECT_EQ(second.get(), value);
  EXPECT_EQ(first.close(), 0);
  EXPECT_TRUE(is_open(value));
  EXPECT_EQ(second.close(), 0);
  EXPECT_FALSE(is_open(value));
  EXPECT_EQ(second.close(), 0);
}

TEST_F(DescriptorTest, NoneIsNotOpen) {
  EXPECT_FALSE(Descriptor().is_open());
  EXPECT_FALSE(Descriptor(::open((directory_ / "absent").c_str(), O_RDONLY)).is_open());
}

TEST_F(DescriptorTest, BytesGoWhereTheyAreToAndComeBackFromThere) {
  const Descriptor file = open_file();
  EXPECT_EQ(write_at(file, 3, "defg", 4), 0);
  EXPECT_EQ(write_at(file, 0, "abc", 3), 0);
  EXPECT_EQ(read_file(path()), "abcdefg");
  char bytes[4] = {};
  EXPECT_EQ(read_at(file, 2, bytes, 3), 0);
  EXPECT_EQ(std::string(bytes), "cde");
}

TEST_F(DescriptorTest, AFileThatEndsBeforeTheLastByteIsAnError) {
  const Descriptor file = open_file();
  EXPECT_EQ(write_at(file, 0, "abc", 3), 0);
  char bytes[4] = {};
  EXPECT_EQ(read_at(file, 0, bytes, 4), EIO);
  EXPECT_EQ(read_at(file, 0, bytes, 3), 0);
}

TEST_F(DescriptorTest, TheSystemsErrorComesBack) {
  char byte = 0;
  EXPECT_EQ(read_at(Descriptor(), 0, &byte, 1), EBADF);
  open_file();
  EXPECT_EQ(write_at(open_file(O_RDONLY), 0, &byte, 1), EBADF);
}

// Linux writes what still fits and only then fails: the first count is short.
TEST_F(DescriptorTest, AWriteThatIsCutShortGoesOnUntilTheSystemRefuses) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto former = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 5;
  const Descriptor file = open_file();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const int error = write_at(file, 0, "abcdefg", 7);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, former);
  EXPECT_EQ(error, EFBIG);
  EXPECT_EQ(read_file(path()), "abcde");
}

}  // namespace
}  // namespace muster::common

// Of ordered_parallel.h, where the system has no room for another thread. Apart from its other
// tests: the thread sanitizer's own memory does not fit the limit that is set here.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "datastore/ordered_parallel.h"
#include "tests/common/support.h"

namespace muster::datastore {
namespace {

// Room in memory for the stack of one more thread, not of two.
class RoomForOneThread {
 public:
  RoomForOneThread() {
    ::pthread_getattr_default_np(&attributes_before_);
    pthread_attr_t large;
    ::pthread_attr_init(&large);
    ::pthread_attr_setstacksize(&large, kStackBytes);
    ::pthread_setattr_default_np(&large);
    ::pthread_attr_destroy(&large);
    ::getrlimit(RLIMIT_AS, &limit_before_);
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = limit_before_;
    limit.rlim_cur = pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE)) + kStackBytes * 3 / 2;
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ~RoomForOneThread() {
    ::setrlimit(RLIMIT_AS, &limit_before_);
    ::pthread_setattr_default_np(&attributes_before_);
    ::pthread_attr_destroy(&attributes_before_);
  }

 private:
  static constexpr size_t kStackBytes = size_t{1} << 30;
  pthread_attr_t attributes_before_;
  rlimit limit_before_{};
};

TEST(ThreadStartTest, AThreadThatCannotBeStartedIsAnError) {
  const std::string text = common::failure_text<common::SystemError>([] {
    const RoomForOneThread room;
    ordered_parallel(
        5, 3, [](size_t i) { return i; }, [](size_t, size_t) {});
  });
  EXPECT_TRUE(common::contains(text, "thread 2: cannot be started")) << text;
}

TEST(ThreadStartTest, NoMoreThreadsThanItemsAreStarted) {
  int sum = 0;
  {
    const RoomForOneThread room;
    ordered_parallel(
        1, 3, [](size_t) { return 7; }, [&](size_t, int value) { sum += value; });
  }
  EXPECT_EQ(sum, 7);
}

}  // namespace
}  // namespace muster::datastore

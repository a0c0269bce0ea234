#include "datastore/fault_list.h"

#include "tests/common/support.h"
#include "tests/datastore/small_films.h"

namespace muster::datastore {
namespace {
using common::failure_text;
using common::InputError;

TEST(FaultListTest, NamesBelowTheRootAreListedFromThereOn) {
  for (const std::string root : {"data/mot", "data/mot/", "./mot", "/", "."}) {
    const std::string below = (std::filesystem::path(root) / "").string();
    FaultList faults(OnError::kSkip, root);
    faults.leave_out(below + "a/gt.txt line 3", "as in '" + below + "b' and " + below + "c");
    ASSERT_EQ(faults.left_out().size(), 1u);
    EXPECT_EQ(faults.left_out()[0].name, "a/gt.txt line 3") << root;
    EXPECT_EQ(faults.left_out()[0].reason, "as in 'b' and c") << root;
  }
}

TEST(FaultListTest, TheRootsLettersInsideAnotherPathStay) {
  FaultList faults(OnError::kSkip, "a");
  faults.leave_out("a/cam_a/x", "beside cam_a/y and /data/a/z");
  EXPECT_EQ(faults.left_out()[0].name, "cam_a/x");
  EXPECT_EQ(faults.left_out()[0].reason, "beside cam_a/y and /data/a/z");
}

TEST(FaultListTest, ACauseIsListedWithItsObjectAndWithoutItsRemedy) {
  FaultList faults(OnError::kSkip, "/d");
  faults.leave_out("/d/a", InputError("/d/a/gt.txt", "is empty", "mend it"));
  faults.leave_out("/d/b", InputError("/d/b", "is no film", "fetch it"));
  EXPECT_EQ(faults.left_out()[0].reason, "a/gt.txt: is empty");
  EXPECT_EQ(faults.left_out()[1].reason, "is no film");
}

TEST(FaultListTest, TheFirstFaultEndsTheWorkInFull) {
  FaultList faults(OnError::kFail, "/d");
  EXPECT_EQ(failure_text<InputError>([&] { faults.leave_out("/d/a", "is empty", "mend it"); }),
            "/d/a: is empty; mend it");
  const InputError cause("/d/a/gt.txt", "is empty", "mend it");
  EXPECT_EQ(failure_text<InputError>([&] { faults.leave_out("/d/a", cause); }), cause.what());
}

TEST(FaultListTest, NothingLeftWithoutAFaultSaysJustThat) {
  const FaultList faults(OnError::kFail, "/d");
  common::RecordingProgress progress;
  const std::string text =
      failure_text<InputError>([&] { faults.nothing_is_left("/d", "holds nothing", progress); });
  EXPECT_EQ(text.rfind("/d: holds nothing; ", 0), 0u) << text;
  EXPECT_TRUE(progress.notes.empty());
}

}  // namespace
}  // namespace muster::datastore

#include "common/atomic_file.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "common/error.h"
#include "common/host_name.h"
#include "tests/common/faults.h"
#include "tests/common/support.h"

namespace muster::common {
namespace {
namespace fs = std::filesystem;

using Names = std::vector<std::string>;

// For its lifetime permissions hold for this thread, root's too: it gives up the right to pass over
// them, which every process may.
class OrdinaryUser {
 public:
  OrdinaryUser() {
    EXPECT_EQ(::syscall(SYS_capget, &header_, rights_), 0);
    __user_cap_data_struct fewer[2] = {rights_[0], rights_[1]};
    fewer[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
    EXPECT_EQ(::syscall(SYS_capset, &header_, fewer), 0);
  }
  ~OrdinaryUser() {
    if (::syscall(SYS_capset, &header_, rights_) != 0) std::abort();
  }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct rights_[2] = {};
};

TEST(WriteFileAtomicallyTest, WritesEveryByte) {
  const TestDirectory directory;
  std::string bytes;
  for (int i = 0; i < 200000; ++i) bytes += static_cast<char>(i * 7 % 256);
  write_file_atomically(directory / "data", bytes);
  std::ifstream in(directory / "data", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), bytes);
}

TEST(WriteFileAtomicallyTest, ReplacesALongerFileWhole) {
  const TestDirectory directory;
  write_file_atomically(directory / "data", std::string(5000, 'a'));
  write_file_atomically(directory / "data", "short");
  EXPECT_EQ(read_file(directory / "data"), "short");
}

TEST(WriteFileAtomicallyTest, LeavesNoTemporaryBehind) {
  const TestDirectory directory;
  write_file_atomically(directory / "data", "x");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(WriteFileAtomicallyTest, LeavesAnOpenReaderTheOldContent) {
  const TestDirectory directory;
  write_file_atomically(directory / "data", "old content");
  std::ifstream reader(directory / "data");
  write_file_atomically(directory / "data", "new content");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "old content");
}

TEST(WriteFileAtomicallyTest, LeavesTheOldContentWhenTheDirectoryIsUnwritable) {
  const TestDirectory directory;
  write_file_atomically(directory / "data", "old");
  fs::permissions(directory.path(), fs::perms(0555));
  {
    const OrdinaryUser user;
    const std::string text =
        failure_text<SystemError>([&] { write_file_atomically(directory / "data", "new"); });
    EXPECT_TRUE(contains(text, (directory / "data").string())) << text;
  }
  fs::permissions(directory.path(), fs::perms(0755));
  EXPECT_EQ(read_file(directory / "data"), "old");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(WriteFileAtomicallyTest, LeavesADirectoryOfThatNameAlone) {
  const TestDirectory directory;
  fs::create_directory(directory / "data");
  std::ofstream(directory / "data" / "kept") << "kept";
  const std::string text =
      failure_text<SystemError>([&] { write_file_atomically(directory / "data", "new"); });
  EXPECT_TRUE(contains(text, (directory / "data").string())) << text;
  EXPECT_EQ(read_file(directory / "data" / "kept"), "kept");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(WriteFileAtomicallyTest, LeavesTheOldContentWhenTheDiskIsFull) {
  const TestDirectory directory;
  write_file_atomically(directory / "data", "old");
  {
    const FileSizeLimit limit(4096);
    EXPECT_THROW(write_file_atomically(directory / "data", std::string(100000, 'n')), SystemError);
  }
  EXPECT_EQ(read_file(directory / "data"), "old");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(WriteFileAtomicallyTest, AMissingDirectoryIsASystemErrorThatNamesTheFile) {
  const TestDirectory directory;
  const fs::path path = directory.path() / "absent" / "data";
  const std::string text = failure_text<SystemError>([&] { write_file_atomically(path, "x"); });
  EXPECT_TRUE(contains(text, path.string())) << text;
}

TEST(WriteFileAtomicallyTest, ConcurrentWritersLeaveOneOfTheirContentsWhole) {
  const TestDirectory directory;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 10; ++i) {
        write_file_atomically(directory / "data",
                              std::string(10000, static_cast<char>('a' + writer)));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string content = read_file(directory / "data");
  EXPECT_EQ(content, std::string(10000, content.at(0)));
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(ReadFileTest, AMissingFileIsAnInputErrorThatNamesIt) {
  const TestDirectory directory;
  const std::string text = failure_text<InputError>([&] { read_file(directory / "absent"); });
  EXPECT_TRUE(contains(text, (directory / "absent").string())) << text;
}

TEST(ReadFileTest, ADirectoryIsAnInputError) {
  const TestDirectory directory;
  EXPECT_THROW(read_file(directory.path()), InputError);
}

TEST(ReadFileTest, AFileBelowAFileIsAnInputErrorThatSaysSo) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "x";
  const fs::path path = directory.path() / "file" / "data";
  EXPECT_EQ(failure_text<InputError>([&] { read_file(path); }),
            path.string() + ": no such file: a folder of its path is a file");
}

TEST(ReadFileTest, ALinkToNowhereIsAnInputErrorThatSaysSo) {
  const TestDirectory directory;
  fs::create_symlink("absent", directory / "link");
  EXPECT_EQ(failure_text<InputError>([&] { read_file(directory / "link"); }),
            (directory / "link").string() + ": is a link to nowhere");
}

TEST(ReadFileTest, ALinkToItselfIsAnInputErrorThatSaysSo) {
  const TestDirectory directory;
  fs::create_symlink("link", directory / "link");
  EXPECT_EQ(failure_text<InputError>([&] { read_file(directory / "link"); }),
            (directory / "link").string() + ": is a link that leads back to itself");
}

TEST(ReadFileTest, AFileThatMayNotBeReadIsASystemErrorEvenAnEmptyOne) {
  const TestDirectory directory;
  std::ofstream(directory / "empty");
  fs::permissions(directory.path(), fs::perms(0755));
  fs::permissions(directory / "empty", fs::perms(0));
  const OrdinaryUser user;
  const std::string text = failure_text<SystemError>([&] { read_file(directory / "empty"); });
  EXPECT_TRUE(contains(text, "Permission denied")) << text;
}

TEST(ReadFileTest, AFolderThatMayNotBeSearchedIsNotAMissingFile) {
  const TestDirectory directory;
  fs::create_directory(directory / "closed");
  std::ofstream(directory.path() / "closed" / "data") << "x";
  fs::permissions(directory.path(), fs::perms(0755));
  fs::permissions(directory / "closed", fs::perms(0));
  std::string text;
  {
    const OrdinaryUser user;
    text = failure_text<SystemError>([&] { read_file(directory.path() / "closed" / "data"); });
  }
  fs::permissions(directory / "closed", fs::perms(0755));
  EXPECT_TRUE(contains(text, "Permission denied")) << text;
}

TEST(ReadFileTest, AFileThatTellsNoSizeIsReadWhole) {
  EXPECT_TRUE(contains(read_file("/proc/self/status"), "VmPeak"));
}

TEST(ReadFileTest, AnEmptyFileIsEmpty) {
  const TestDirectory directory;
  std::ofstream(directory / "empty");
  EXPECT_EQ(read_file(directory / "empty"), "");
}

TEST(ReadFileTest, KeepsZeroBytesAndLineEnds) {
  const TestDirectory directory;
  const std::string bytes("a\0b\r\nc\n", 7);
  write_file_atomically(directory / "data", bytes);
  EXPECT_EQ(read_file(directory / "data"), bytes);
}

TEST(TemporaryNameTest, IsHiddenBesideTheFile) {
  const fs::path name = temporary_name_beside("some/dir/data.json");
  EXPECT_EQ(name.parent_path(), fs::path("some/dir"));
  EXPECT_EQ(name.filename().string()[0], '.');
}

TEST(TemporaryNameTest, NeverComesTwice) {
  std::set<fs::path> names;
  for (int i = 0; i < 100; ++i) names.insert(temporary_name_beside("data"));
  EXPECT_EQ(names.size(), 100u);
}

TEST(PublishFileTest, MovesTheTemporaryOverTheOldFile) {
  const TestDirectory directory;
  std::ofstream(directory / "data") << "old";
  std::ofstream(directory / "aside") << "new";
  publish_file(directory / "aside", directory / "data");
  EXPECT_EQ(read_file(directory / "data"), "new");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(PublishFileTest, AMissingTemporaryLeavesTheOldFile) {
  const TestDirectory directory;
  std::ofstream(directory / "data") << "old";
  EXPECT_THROW(publish_file(directory / "absent", directory / "data"), SystemError);
  EXPECT_EQ(read_file(directory / "data"), "old");
}

TEST(AboutFinalNameTest, TheTemporaryGivesWayToTheFile) {
  const std::string hidden = temporary_name_beside("runs/final").string();
  EXPECT_STREQ(about_final_name(SystemError(hidden, "problem", "remedy"), "runs/final").what(),
               "runs/final: problem; remedy");
  EXPECT_STREQ(about_final_name(SystemError(hidden + "/a/b", "problem"), "runs/final").what(),
               "runs/final/a/b: problem");
}

TEST(AboutFinalNameTest, SoDoesAPartOfTheFile) {
  EXPECT_STREQ(about_final_name(SystemError("/frames/flow", "problem"), "final").what(),
               "final: problem");
}

TEST(SyncPathTest, AMissingPathIsASystemErrorThatNamesIt) {
  const TestDirectory directory;
  const std::string text = failure_text<SystemError>([&] { sync_path(directory / "absent"); });
  EXPECT_TRUE(contains(text, (directory / "absent").string())) << text;
}

TEST(WriteAsideTest, PublishesAFolderWithWhatWasWrittenIntoIt) {
  const TestDirectory directory;
  write_aside(directory / "folder", [&](const fs::path& folder) {
    EXPECT_FALSE(fs::exists(directory / "folder"));
    fs::create_directory(folder);
    write_file_atomically(folder / "data", "content");
  });
  EXPECT_EQ(read_file(directory.path() / "folder" / "data"), "content");
  EXPECT_EQ(names_in(directory.path()), Names{"folder"});
}

TEST(WriteAsideTest, AFailureLeavesTheOldAndIsToldOfTheFinalName) {
  const TestDirectory directory;
  std::ofstream(directory / "data") << "old";
  const std::string text = failure_text<SystemError>([&] {
    write_aside(directory / "data", [](const fs::path& temporary) {
      fs::create_directories(temporary / "half");
      throw SystemError((temporary / "half").string(), "is full");
    });
  });
  EXPECT_EQ(text, (directory / "data").string() + "/half: is full");
  EXPECT_EQ(read_file(directory / "data"), "old");
  EXPECT_EQ(names_in(directory.path()), Names{"data"});
}

TEST(WriteAsideTest, AFailureOfAnotherKindLeavesNothingEither) {
  const TestDirectory directory;
  EXPECT_THROW(write_aside(directory / "data",
                           [](const fs::path& temporary) {
                             std::ofstream(temporary) << "half";
                             throw InputError("spec", "is wrong");
                           }),
               InputError);
  EXPECT_TRUE(names_in(directory.path()).empty());
}

TEST(MakeDirectoriesTest, MakesWhatIsMissingAndLeavesWhatIsThere) {
  const TestDirectory directory;
  make_directories(directory.path() / "a" / "b");
  std::ofstream(directory.path() / "a" / "kept") << "kept";
  make_directories(directory.path() / "a" / "b");
  EXPECT_EQ(names_in(directory.path() / "a"), (Names{"b", "kept"}));
}

TEST(MakeDirectoriesTest, AFileInTheWayIsASystemErrorThatNamesTheFolder) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "x";
  const fs::path path = directory.path() / "file" / "below";
  const std::string text = failure_text<SystemError>([&] { make_directories(path); });
  EXPECT_TRUE(contains(text, path.string())) << text;
}

TEST(RequireNewDirectoryTest, CreatesTheParents) {
  const TestDirectory directory;
  require_new_directory(directory.path() / "a" / "b" / "run", "choose another");
  EXPECT_TRUE(fs::is_directory(directory.path() / "a" / "b"));
}

TEST(RequireNewDirectoryTest, AcceptsAnEmptyDirectory) {
  const TestDirectory directory;
  EXPECT_NO_THROW(require_new_directory(directory.path(), "choose another"));
}

TEST(RequireNewDirectoryTest, RefusesADirectoryWithContentAndSaysTheRemedy) {
  const TestDirectory directory;
  std::ofstream(directory / "kept") << "kept";
  const std::string text =
      failure_text<InputError>([&] { require_new_directory(directory.path(), "use --resume"); });
  EXPECT_TRUE(contains(text, directory.path().string())) << text;
  EXPECT_TRUE(contains(text, "use --resume")) << text;
}

TEST(RequireNewDirectoryTest, RefusesAFile) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "x";
  EXPECT_THROW(require_new_directory(directory / "file", ""), InputError);
}

TEST(RequireNewDirectoryTest, AParentThatIsAFileIsASystemError) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "x";
  EXPECT_THROW(require_new_directory(directory / "file/below/run", ""), SystemError);
}

TEST(RemoveStaleTemporariesTest, RemovesFilesAndFoldersOfDeadProcesses) {
  const TestDirectory directory;
  fs::create_directories(temporary_of_dead_process(directory / "data") / "inside");
  std::ofstream(temporary_of_dead_process(directory / "data")) << "half";
  ASSERT_EQ(names_in(directory.path()).size(), 2u);
  remove_stale_temporaries(directory / "data");
  EXPECT_TRUE(names_in(directory.path()).empty());
}

// Killed, but its parent has not asked yet: the number is still taken.
TEST(RemoveStaleTemporariesTest, AKilledProcessThatNobodyWaitedForIsDead) {
  const TestDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) std::_Exit(0);
  siginfo_t facts;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &facts, WEXITED | WNOWAIT), 0);
  std::string name = temporary_name_beside(directory / "data").string();
  const std::string own = "." + std::to_string(::getpid()) + ".";
  std::ofstream(name.replace(name.rfind(own), own.size(), "." + std::to_string(child) + "."))
      << "half";
  remove_stale_temporaries(directory / "data");
  EXPECT_TRUE(names_in(directory.path()).empty());
  ::waitpid(child, nullptr, 0);
}

// Containers share host names; the number of a process means nothing in another one.
TEST(RemoveStaleTemporariesTest, LeavesProcessesOfAnotherNamespaceOfTheSameHost) {
  const TestDirectory directory;
  std::string name = temporary_of_dead_process(directory / "data").string();
  const size_t place = name.rfind(process_place());
  ASSERT_NE(place, std::string::npos);
  name.replace(place + host_name().size() + 1, 8, "00000000");
  std::ofstream(name) << "of a living process there";
  remove_stale_temporaries(directory / "data");
  EXPECT_EQ(names_in(directory.path()).size(), 1u);
}

TEST(RemoveStaleTemporariesTest, LeavesTheLivingOtherHostsAndOtherNames) {
  const TestDirectory directory;
  const fs::path living = temporary_name_beside(directory / "data");
  const fs::path other_name = temporary_of_dead_process(directory / "data2");
  const fs::path other_host = directory / ".data.tmp.elsewhere.1.0";
  for (const fs::path& path : {living, other_name, other_host, directory / "data"}) {
    std::ofstream(path) << "kept";
  }
  remove_stale_temporaries(directory / "data");
  EXPECT_EQ(names_in(directory.path()).size(), 4u);
}

void make_old(const fs::path& path) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(2));
}

TEST(RemoveStaleTemporariesTest, RemovesWhatNobodyElsewhereTouchedForAnHour) {
  const TestDirectory directory;
  const fs::path other_host = directory / ".data.tmp.elsewhere.1.0";
  std::ofstream(other_host) << "old";
  make_old(other_host);
  remove_stale_temporaries(directory / "data");
  EXPECT_TRUE(names_in(directory.path()).empty());
}

TEST(RemoveStaleTemporariesTest, LeavesALongWorkOfALivingProcessOfThisMachine) {
  const TestDirectory directory;
  std::string name = temporary_name_beside(directory / "data").string();
  const std::string own = "." + std::to_string(::getpid()) + ".";
  name.replace(name.rfind(own), own.size(), "." + std::to_string(::getppid()) + ".");
  const fs::path folder = name;
  fs::create_directory(folder);
  make_old(folder);
  remove_stale_temporaries(directory / "data");
  EXPECT_EQ(names_in(directory.path()), Names{folder.filename().string()});
}

TEST(RemoveStaleTemporariesTest, AFolderThatIsNotThereIsNoFault) {
  const TestDirectory directory;
  EXPECT_NO_THROW(remove_stale_temporaries(directory.path() / "absent" / "data"));
}

}  // namespace
}  // namespace muster::common

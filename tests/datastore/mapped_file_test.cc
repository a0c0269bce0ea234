#include "datastore/mapped_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>
#include <vector>

#include "common/error.h"
#include "tests/common/support.h"

namespace muster::datastore {
namespace {

namespace fs = std::filesystem;
using common::contains;
using common::failure_text;
using common::SystemError;
using common::TestDirectory;

std::string pattern(size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(i * 31 % 253);
  return text;
}

TEST(MappedFileTest, GivesAnyRange) {
  const TestDirectory directory;
  const std::string content = pattern(20000);
  std::ofstream(directory / "file", std::ios::binary) << content;
  const MappedFile file((directory / "file").string());
  EXPECT_EQ(file.size(), content.size());
  for (const auto& [offset, bytes] : {std::pair<size_t, size_t>{0, 20000}, {4095, 3}, {19999, 1}}) {
    std::string read(bytes, ' ');
    file.read(offset, bytes, read.data());
    EXPECT_EQ(read, content.substr(offset, bytes));
  }
}

TEST(MappedFileTest, BeyondTheEndIsASystemError) {
  const TestDirectory directory;
  std::ofstream(directory / "file") << "0123456789";
  const MappedFile file((directory / "file").string());
  char byte;
  EXPECT_THROW(file.read(10, 1, &byte), SystemError);
  EXPECT_THROW(file.read(~uint64_t{0}, 1, &byte), SystemError);
  EXPECT_NO_THROW(file.read(10, 0, &byte));
}

TEST(MappedFileTest, AnEmptyFileHasNothingToRead) {
  const TestDirectory directory;
  std::ofstream(directory / "file").flush();
  const MappedFile file((directory / "file").string());
  char byte;
  EXPECT_THROW(file.read(0, 1, &byte), SystemError);
}

TEST(MappedFileTest, AMissingFileIsNamed) {
  const TestDirectory directory;
  const std::string text =
      failure_text<SystemError>([&] { MappedFile file((directory / "absent").string()); });
  EXPECT_TRUE(contains(text, "absent")) << text;
}

TEST(MappedFileTest, AFileThatIsCutWhileMappedIsAnErrorEveryTimeAndInEveryThread) {
  const TestDirectory directory;
  const std::string content = pattern(100000);
  std::ofstream(directory / "file", std::ios::binary) << content;
  const MappedFile file((directory / "file").string());
  fs::resize_file(directory / "file", 8192);
  const auto attempt = [&] {
    std::string read(content.size(), ' ');
    for (int turn = 0; turn < 20; ++turn) {
      const std::string text =
          failure_text<SystemError>([&] { file.read(0, content.size(), read.data()); });
      EXPECT_TRUE(contains(text, "file")) << text;
      file.read(0, 4096, read.data());
      EXPECT_EQ(read.substr(0, 4096), content.substr(0, 4096));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(attempt);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace muster::datastore

// Rows of comma-separated values, as spreadsheets and scripts write them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::datastore {

struct TableRow {
  int64_t line = 0;                     // from 1
  std::vector<std::string_view> cells;  // without blanks around; valid as long as the TableFile
};

// Lines may end in CR LF; a byte order mark and empty lines are passed over. No quoting.
class TableFile {
 public:
  // Throws InputError if the file is missing, SystemError if it cannot be read.
  explicit TableFile(const std::filesystem::path& path);
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  std::optional<TableRow> next();
  const std::filesystem::path& path() const { return path_; }
  // Takes the first row. Throws InputError with both headings if it is not `heading`.
  void require_heading(const std::string& heading);

 private:
  std::filesystem::path path_;
  std::string text_;
  size_t position_ = 0;
  int64_t line_ = 0;
};

// "PATH line 12", for messages.
std::string place_of_line(const std::filesystem::path& path, int64_t line);

// The whole cell as a finite number, or nothing.
std::optional<double> number_in(std::string_view cell);
// The same for whole numbers of up to nine digits; "7.0" and "7e0" count.
std::optional<int32_t> whole_number_in(std::string_view cell);

}  // namespace muster::datastore

#include "datastore/file_names.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdarg>
#include <cstdio>

namespace muster::datastore {
namespace fs = std::filesystem;

std::string numbered(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

std::optional<int32_t> digits_value(std::string_view text) {
  const bool digits = !text.empty() && text.size() <= 9 &&
                      text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return std::nullopt;
  int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string lower_case_extension(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  return extension;
}

fs::path without_trailing_slash(const fs::path& path) {
  fs::path plain = path;
  while (!plain.has_filename() && plain.has_relative_path()) plain = plain.parent_path();
  return plain;
}

}  // namespace muster::datastore

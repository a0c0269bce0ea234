// Names of files and folders: the numbers in them, and how they end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace muster::datastore {

// printf-style, for names with numbers; up to 255 characters.
std::string numbered(const char* format, ...) __attribute__((format(printf, 1, 2)));

// The number that the text is: 1 to 9 digits and nothing else.
std::optional<int32_t> digits_value(std::string_view text);

// ".JPG" -> ".jpg": how a name ends from its last dot on, in lower case; "" without a dot.
std::string lower_case_extension(const std::string& name);

// "a/b//" -> "a/b"; "/" stays.
std::filesystem::path without_trailing_slash(const std::filesystem::path& path);

}  // namespace muster::datastore

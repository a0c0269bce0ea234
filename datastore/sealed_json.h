// A JSON file that ends in a checksum of itself, so that any changed byte is noticed.
#pragma once

#include <filesystem>
#include <string>

namespace muster::datastore {

// `object` is a JSON object as text, indented by one space. Its closing brace is replaced by
//   ,\n"checksum": "<SHA-256 of every byte before that comma>"\n}\n
// Written aside and renamed. Throws SystemError.
void write_sealed_json(const std::filesystem::path& path, std::string object);

// The object without its checksum. Throws InputError naming the file if it is missing or differs
// from what was written.
std::string read_sealed_json(const std::filesystem::path& path);

}  // namespace muster::datastore

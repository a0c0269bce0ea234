// SHA-256 by OpenSSL.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace muster::common {

// Incremental; one object, one thread.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(const void* bytes, size_t count);
  void update(std::string_view text) { update(text.data(), text.size()); }
  // 64 lower-case hexadecimal digits. The object cannot be updated afterwards.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_of(std::string_view bytes);
// Reads in blocks. Throws InputError if there is no such file, SystemError if it cannot be read to
// its end.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace muster::common

#include "common/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::common {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MUSTER_REQUIRE(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr), ==, 1);
}
Sha256::~Sha256() = default;

void Sha256::update(const void* bytes, size_t count) {
  MUSTER_REQUIRE(EVP_DigestUpdate(state_->context, bytes, count), ==, 1);
}

std::string Sha256::finish() {
  std::array<unsigned char, 32> digest{};
  MUSTER_REQUIRE(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr), ==, 1);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_of_file(const std::filesystem::path& path) {
  require_file(path);
  std::ifstream in(path, std::ios::binary);
  if (!in) throw system_call_error(path.string(), "open", errno);
  Sha256 hash;
  std::array<char, 1 << 16> block;  // a larger one on the heap costs more than a small file
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    hash.update(block.data(), static_cast<size_t>(in.gcount()));
  }
  if (in.bad()) throw SystemError(path.string(), "cannot be read to its end");
  return hash.finish();
}

}  // namespace muster::common

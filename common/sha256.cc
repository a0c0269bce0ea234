#include "common/sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/file_descriptor.h"

namespace muster::common {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

namespace {

// Looked up once: OpenSSL's search for it takes longer than hashing a small picture.
const EVP_MD* algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return found;
}

}  // namespace

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MUSTER_REQUIRE(EVP_DigestInit_ex(state_->context, algorithm(), nullptr), ==, 1);
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
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw system_call_error(path.string(), "open", errno);
  Sha256 hash;
  std::array<char, 1 << 16> block;  // a larger one on the heap costs more than a small file
  ssize_t count = 0;
  do {
    count = ::read(file.get(), block.data(), block.size());
    if (count > 0) hash.update(block.data(), static_cast<size_t>(count));
  } while (count > 0 || (count < 0 && errno == EINTR));
  if (count < 0) throw system_call_error(path.string(), "read", errno);
  return hash.finish();
}

}  // namespace muster::common

#pragma once
// SHA-256 without EVP's look-ups: a leaf is one or two blocks, and fetching an algorithm costs more than that.

#include <openssl/sha.h>

#include <string_view>

#include "common/wire/keys.h"

namespace shrike {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/// SHA-256 over bytes that come in pieces.
class Sha256 {
 public:
  Sha256() { SHA256_Init(&context_); }
  Sha256& add(std::string_view bytes) {
    SHA256_Update(&context_, bytes.data(), bytes.size());
    return *this;
  }
  Digest finish() {
    Digest digest;
    SHA256_Final(digest.data(), &context_);
    return digest;
  }

 private:
  SHA256_CTX context_;
};
#pragma GCC diagnostic pop

}  // namespace shrike

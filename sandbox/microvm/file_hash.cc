#include "sandbox/microvm/file_hash.h"

#include <openssl/evp.h>

#include <vector>

#include "common/base/bytes.h"
#include "sandbox/microvm/guest_tree.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t piece_bytes = 128u << 10;
}

struct FileHash::State {
  struct Free {
    void operator()(EVP_MD_CTX* used) const { EVP_MD_CTX_free(used); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
  std::vector<std::byte> piece;
};

FileHash::FileHash(Fd file) : file_(std::move(file)), state_(std::make_unique<State>()) {}
FileHash::~FileHash() = default;

Result<bool> FileHash::more() {
  if (whole_) return true;
  EVP_MD_CTX* const context = state_->context.get();
  if (at_ == 0 && (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1))
    return Error{"sha256 cannot be begun"};
  state_->piece.resize(piece_bytes);
  const size_t got = TRY(read_at(file_, at_, state_->piece));
  at_ += got;
  whole_ = got < piece_bytes;
  if (EVP_DigestUpdate(context, state_->piece.data(), got) != 1) return Error{"sha256 failed"};
  return whole_;
}

Result<std::string> FileHash::finish() {
  while (!TRY(more())) {
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), digest, &bytes) != 1) return Error{"sha256 failed"};
  return hex({reinterpret_cast<const char*>(digest), bytes});
}

}  // namespace shrike::sandbox::microvm

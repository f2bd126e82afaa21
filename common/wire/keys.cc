#include "common/wire/keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "common/base/bytes.h"
#include "common/base/file.h"
#include "common/wire/sha256.h"

namespace shrike {
namespace {
constexpr uint8_t nkey_prefix_seed = 18 << 3;  // 'S'
constexpr uint8_t nkey_prefix_user = 20 << 3;  // 'U'

[[noreturn]] void broken(const char* sentence) {
  std::fprintf(stderr, "keys: %s\n", sentence);
  std::abort();
}

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using MdContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* data_of(std::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

// CRC-16/XMODEM, little endian behind the key: what nkeys calls its checksum.
uint16_t crc16(std::string_view bytes) {
  uint32_t crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<uint32_t>(static_cast<unsigned char>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return static_cast<uint16_t>(crc);
}

// RFC 4648 base32 without padding.
std::string base32(std::string_view bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    for (; count >= 5; count -= 5) text += digits[bits >> (count - 5) & 31];
    bits &= (1u << count) - 1;
  }
  if (count > 0) text += digits[bits << (5 - count) & 31];
  return text;
}

std::optional<std::string> unbase32(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const bool letter = c >= 'A' && c <= 'Z';
    if (!letter && (c < '2' || c > '7')) return std::nullopt;
    bits = bits << 5 | static_cast<uint32_t>(letter ? c - 'A' : c - '2' + 26);
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
    bits &= (1u << count) - 1;
  }
  return bytes;
}

/// The one line of a file that only its owner may read.
Result<std::string> read_secret(const std::string& path) {
  // Mode and content are those of one open file: a path looked at twice could be two files.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return errno_error(path);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(path);
  if (!S_ISREG(status.st_mode)) return Error{path + ": a private key must be a regular file"};
  if ((status.st_mode & 077) != 0) return Error{path + ": readable by others than its owner; chmod 600 it"};
  std::array<char, 128> text{};
  const ssize_t n = ::read(fd.get(), text.data(), text.size());
  if (n < 0) return errno_error(path);
  std::string line(text.data(), static_cast<size_t>(n));
  OPENSSL_cleanse(text.data(), text.size());
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  return line;
}

std::string nkey_spelling(std::string prefix, std::string_view key) {
  prefix += key;
  const uint16_t crc = crc16(prefix);
  prefix += static_cast<char>(crc & 0xff);
  prefix += static_cast<char>(crc >> 8);
  return base32(prefix);
}

std::shared_ptr<void> make_key(const std::array<uint8_t, 32>& seed) {
  EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size());
  if (key == nullptr) broken("OpenSSL has no Ed25519");
  return {key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
}
}  // namespace

Digest sha256(std::string_view bytes) { return Sha256().add(bytes).finish(); }

Result<PublicKey> PublicKey::from_raw(std::string_view raw) {
  PublicKey key;
  if (raw.size() != key.raw_.size())
    return Error{"public key of " + std::to_string(raw.size()) + " bytes, expected 32"};
  std::copy(raw.begin(), raw.end(), key.raw_.begin());
  return key;
}

Result<PublicKey> PublicKey::from_hex(std::string_view text) {
  auto raw = unhex(text);
  if (!raw) return raw.error().in("public key");
  return from_raw(*raw);
}

std::string PublicKey::raw() const { return {reinterpret_cast<const char*>(raw_.data()), raw_.size()}; }
std::string PublicKey::to_hex() const { return hex(raw()); }

bool PublicKey::verify(std::string_view message, const Signature& signature) const {
  const Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw_.data(), raw_.size()), EVP_PKEY_free);
  const MdContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!key || !context) return false;
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), data_of(message), message.size()) == 1;
}

std::string PublicKey::nkey() const { return nkey_spelling({static_cast<char>(nkey_prefix_user)}, raw()); }

PrivateKey PrivateKey::generate() {
  PrivateKey key;
  if (RAND_bytes(key.seed_.data(), static_cast<int>(key.seed_.size())) != 1) broken("no random numbers");
  key.key_ = make_key(key.seed_);
  return key;
}

Result<PrivateKey> PrivateKey::load(const std::string& path) {
  std::string digits = TRY(read_secret(path));
  auto raw = unhex(digits);
  OPENSSL_cleanse(digits.data(), digits.size());
  PrivateKey key;
  if (!raw || raw->size() != key.seed_.size())
    return Error{path + ": not a private key (64 hexadecimal digits); restore it, or remove it to make a new one"};
  std::copy(raw->begin(), raw->end(), key.seed_.begin());
  OPENSSL_cleanse(raw->data(), raw->size());
  key.key_ = make_key(key.seed_);
  return key;
}

Result<PrivateKey> PrivateKey::load_nkey(const std::string& path) {
  std::string text = TRY(read_secret(path));
  std::string bytes = unbase32(text).value_or("");
  PrivateKey key;
  if (bytes.size() == 2 + key.seed_.size() + 2) std::copy_n(bytes.begin() + 2, key.seed_.size(), key.seed_.begin());
  key.key_ = make_key(key.seed_);
  // Spelling it again checks prefix and checksum.
  const bool same = key.nkey_seed() == text;
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!same) return Error{path + ": not the seed of a NATS user (\"SU\" and 56 characters of base32)"};
  return key;
}

Result<PrivateKey> PrivateKey::load_or_create(const std::string& path) {
  auto loaded = load(path);
  if (loaded || loaded.error().code != ENOENT) return loaded;
  PrivateKey key = generate();
  TRY_VOID(key.save(path));
  return key;
}

Result<void> PrivateKey::save(const std::string& path) const {
  std::string text = hex({reinterpret_cast<const char*>(seed_.data()), seed_.size()}) + "\n";
  auto written = write_file_atomic(path, text, 0600);
  OPENSSL_cleanse(text.data(), text.size());
  return written;
}

PublicKey PrivateKey::public_key() const {
  if (!key_) broken("asked an empty private key for its public one");
  std::string raw(32, '\0');
  size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(static_cast<EVP_PKEY*>(key_.get()), reinterpret_cast<unsigned char*>(raw.data()),
                                  &size) != 1)
    broken("a private key without its public one");
  return PublicKey::from_raw(raw).value();
}

Signature PrivateKey::sign(std::string_view message) const {
  if (!key_) broken("signing with an empty private key");
  const MdContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Signature signature;
  size_t size = signature.size();
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, static_cast<EVP_PKEY*>(key_.get())) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, data_of(message), message.size()) != 1)
    broken("OpenSSL could not sign");
  return signature;
}

std::string PrivateKey::nkey_seed() const {
  const std::string prefix = {static_cast<char>(nkey_prefix_seed | nkey_prefix_user >> 5),
                              static_cast<char>((nkey_prefix_user & 31) << 3)};
  return nkey_spelling(prefix, {reinterpret_cast<const char*>(seed_.data()), seed_.size()});
}

}  // namespace shrike

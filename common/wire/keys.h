#pragma once
// Ed25519 keys for batches and acknowledgements, and the same keys in NATS's spelling (nkeys).

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace shrike {

using Digest = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

/// SHA-256 of `bytes`. About 50 ns plus 0.6 ns a byte with SHA extensions.
Digest sha256(std::string_view bytes);

class PublicKey {
 public:
  /// From the 32 raw bytes. Errors: any other length.
  static Result<PublicKey> from_raw(std::string_view raw);
  /// From 64 hexadecimal digits.
  static Result<PublicKey> from_hex(std::string_view text);
  [[nodiscard]] std::string raw() const;
  [[nodiscard]] std::string to_hex() const;
  /// False for any signature that is not this key's over `message`. About 63 us.
  [[nodiscard]] bool verify(std::string_view message, const Signature& signature) const;
  /// NATS's spelling of a user key: "U" and 55 characters of base32.
  [[nodiscard]] std::string nkey() const;
  bool operator==(const PublicKey&) const = default;

 private:
  std::array<uint8_t, 32> raw_{};
};

class PrivateKey {
 public:
  /// A new one from the system's random numbers.
  static PrivateKey generate();
  /// Reads a file made by `save`. Errors: missing; readable by others than the owner; not 64 hexadecimal digits.
  static Result<PrivateKey> load(const std::string& path);
  /// Loads, or generates and saves when there is none.
  static Result<PrivateKey> load_or_create(const std::string& path);
  /// Reads NATS's spelling of a user seed ("SU...", 58 characters) from a file. Errors: as `load`; not such a seed.
  static Result<PrivateKey> load_nkey(const std::string& path);
  /// Writes the seed as hexadecimal, mode 0600, so that a crash leaves the old or the new.
  [[nodiscard]] Result<void> save(const std::string& path) const;
  [[nodiscard]] PublicKey public_key() const;
  /// About 25 us.
  [[nodiscard]] Signature sign(std::string_view message) const;
  /// NATS's spelling of a user seed: "SU...".
  [[nodiscard]] std::string nkey_seed() const;

 private:
  std::array<uint8_t, 32> seed_{};
  std::shared_ptr<void> key_;  // EVP_PKEY; shared by copies of this value, which never change it
};

}  // namespace shrike

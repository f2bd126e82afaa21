#pragma once
// Internet addresses as the guest gives them.

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "sandbox/microvm/files/socket.h"

namespace shrike::sandbox::microvm {

/// An address and port; IPv4 as ::ffff:a.b.c.d.
struct Endpoint {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;

  static Endpoint v4(uint32_t ip, uint16_t port);  ///< host byte order
  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] uint32_t v4() const;  ///< host byte order; of is_v4() only
  [[nodiscard]] bool is_any() const;
  [[nodiscard]] bool is_loopback() const;
  /// One of this guest's own.
  [[nodiscard]] bool is_own() const;
  /// "203.0.113.7:443", "[::1]:80"
  [[nodiscard]] std::string text() const;
};

/// The guest's own address besides loopback: 192.168.1.37.
inline constexpr uint32_t own_v4 = 0xc0a80125;

/// 0, or -EINVAL: too short; -EAFNOSUPPORT: of another family than `family`'s socket can have.
int64_t parse_endpoint(int family, std::span<const std::byte> address, Endpoint& out);
/// The sockaddr of a socket of `family`.
Address endpoint_address(int family, const Endpoint& endpoint);

}  // namespace shrike::sandbox::microvm

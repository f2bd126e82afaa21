#include "sandbox/microvm/files/internet_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shrike::sandbox::microvm {

namespace {

constexpr std::array<uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <class T>
Address bytes_of(const T& address) {
  const auto bytes = std::as_bytes(std::span(&address, 1));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Endpoint Endpoint::v4(uint32_t ip, uint16_t port) {
  Endpoint out;
  std::copy(mapped.begin(), mapped.end(), out.ip.begin());
  for (size_t i = 0; i < 4; ++i) out.ip[12 + i] = static_cast<uint8_t>(ip >> (24 - 8 * i));
  out.port = port;
  return out;
}

bool Endpoint::is_v4() const { return std::equal(mapped.begin(), mapped.end(), ip.begin()); }

uint32_t Endpoint::v4() const {
  return uint32_t{ip[12]} << 24 | uint32_t{ip[13]} << 16 | uint32_t{ip[14]} << 8 | uint32_t{ip[15]};
}

bool Endpoint::is_any() const {
  return is_v4() ? v4() == INADDR_ANY : std::all_of(ip.begin(), ip.end(), [](uint8_t byte) { return byte == 0; });
}

bool Endpoint::is_loopback() const {
  if (is_v4()) return v4() >> 24 == 127;
  return ip[15] == 1 && std::all_of(ip.begin(), ip.end() - 1, [](uint8_t byte) { return byte == 0; });
}

bool Endpoint::is_own() const { return is_any() || is_loopback() || (is_v4() && v4() == own_v4); }

std::string Endpoint::text() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_v4()) {
    ::inet_ntop(AF_INET, ip.data() + 12, text, sizeof text);
    return std::string(text) + ":" + std::to_string(port);
  }
  ::inet_ntop(AF_INET6, ip.data(), text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(port);
}

int64_t parse_endpoint(int family, std::span<const std::byte> address, Endpoint& out) {
  sa_family_t given = 0;
  if (address.size() < sizeof given) return -EINVAL;
  std::memcpy(&given, address.data(), sizeof given);
  if (given == AF_INET && (family == AF_INET || family == AF_INET6)) {
    sockaddr_in in{};
    if (address.size() < sizeof in) return -EINVAL;
    std::memcpy(&in, address.data(), sizeof in);
    out = Endpoint::v4(ntohl(in.sin_addr.s_addr), ntohs(in.sin_port));
    return 0;
  }
  if (given != AF_INET6 || family != AF_INET6) return -EAFNOSUPPORT;
  sockaddr_in6 in{};
  if (address.size() < sizeof in - sizeof in.sin6_scope_id) return -EINVAL;
  std::memcpy(&in, address.data(), std::min(address.size(), sizeof in));
  std::copy_n(in.sin6_addr.s6_addr, 16, out.ip.begin());
  out.port = ntohs(in.sin6_port);
  return 0;
}

Address endpoint_address(int family, const Endpoint& endpoint) {
  if (family == AF_INET) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(endpoint.port);
    if (endpoint.is_v4()) out.sin_addr.s_addr = htonl(endpoint.v4());
    return bytes_of(out);
  }
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(endpoint.port);
  std::copy(endpoint.ip.begin(), endpoint.ip.end(), out.sin6_addr.s6_addr);
  return bytes_of(out);
}

}  // namespace shrike::sandbox::microvm

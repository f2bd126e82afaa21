#include "agent/detonate/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace shrike::detonate {
namespace {

constexpr size_t family_bytes = 2;
constexpr std::string_view mapped_prefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);

bool read_inet(std::string_view bytes, std::array<uint8_t, 16>& address, uint16_t& port) {
  sockaddr_in in{};
  if (bytes.size() < sizeof in) return false;
  std::memcpy(&in, bytes.data(), sizeof in);
  std::memcpy(address.data(), &in.sin_addr, sizeof in.sin_addr);
  port = ntohs(in.sin_port);
  return true;
}

bool read_inet6(std::string_view bytes, std::array<uint8_t, 16>& address, uint16_t& port) {
  constexpr size_t least = 24;  // without the scope, as the kernel takes it
  sockaddr_in6 in{};
  if (bytes.size() < least) return false;
  std::memcpy(&in, bytes.data(), std::min(bytes.size(), sizeof in));
  std::memcpy(address.data(), &in.sin6_addr, sizeof in.sin6_addr);
  port = ntohs(in.sin6_port);
  return true;
}

void read_unix(std::string_view bytes, std::string& path) {
  bytes.remove_prefix(family_bytes);
  if (bytes.empty()) return;
  path = bytes.front() == '\0' ? "@" + std::string(bytes.substr(1)) : std::string(bytes.substr(0, bytes.find('\0')));
}

}  // namespace

bool read_sockaddr(std::string_view bytes, bool local, Socket& socket, std::string& path) {
  if (bytes.size() < family_bytes) return false;
  uint16_t family = 0;
  std::memcpy(&family, bytes.data(), sizeof family);
  auto& address = local ? socket.local : socket.remote;
  auto& port = local ? socket.local_port : socket.remote_port;
  if (family == AF_UNIX) {
    socket.family = family;
    read_unix(bytes, path);
    return true;
  }
  std::array<uint8_t, 16> read{};
  if (family == AF_INET6 ? !read_inet6(bytes, read, port) : family != AF_INET || !read_inet(bytes, read, port))
    return false;
  if (family == AF_INET6 && std::memcmp(read.data(), mapped_prefix.data(), mapped_prefix.size()) == 0) {
    std::copy(read.begin() + 12, read.end(), read.begin());
    std::fill(read.begin() + 4, read.end(), uint8_t{0});
    family = AF_INET;
  }
  if (socket.family != family) (local ? socket.remote : socket.local) = {};  // the other end is of another family
  socket.family = family;
  address = read;
  return true;
}

}  // namespace shrike::detonate

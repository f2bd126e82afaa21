#pragma once
// The guest's network interfaces: lo and eth0.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace shrike::sandbox::microvm {

struct Interface {
  std::string_view name;
  int index;
  uint32_t flags;
  uint32_t address, prefix;  ///< IPv4, host byte order; bits
  std::array<uint8_t, 6> hardware;
  int mtu;
  uint16_t hardware_type;
};

std::span<const Interface> interfaces();
/// What SIOCGIFCONF gives: a struct ifreq for each.
std::vector<std::byte> interface_list();

/// Commands 0x89xx of ioctl(2) on a struct ifreq (40 bytes): -ENODEV, -EINVAL, -EPERM for what would change something.
int64_t interface_control(uint64_t command, std::span<std::byte> argument);

}  // namespace shrike::sandbox::microvm

#include "sandbox/microvm/files/interfaces.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/internet_address.h"

namespace shrike::sandbox::microvm {

namespace {

const Interface all[] = {
    {"lo", 1, IFF_UP | IFF_LOOPBACK | IFF_RUNNING, 0x7f000001, 8, {}, 65536, ARPHRD_LOOPBACK},
    {"eth0",
     2,
     IFF_UP | IFF_BROADCAST | IFF_RUNNING | IFF_MULTICAST,
     own_v4,
     24,
     {0xa4, 0xbf, 0x01, 0x3c, 0x7e, 0x15},
     1500,
     ARPHRD_ETHER},
};

uint32_t mask_of(const Interface& interface) { return ~uint32_t{0} << (32 - interface.prefix); }

void put_address(struct ::ifreq& request, uint32_t address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &out, sizeof request.ifr_addr);
}

int64_t answer(uint64_t command, const Interface& interface, struct ::ifreq& request) {
  switch (command) {
    case SIOCGIFNAME:
      std::memset(request.ifr_name, 0, sizeof request.ifr_name);
      std::copy(interface.name.begin(), interface.name.end(), request.ifr_name);
      return 0;
    case SIOCGIFINDEX:
      request.ifr_ifindex = interface.index;
      return 0;
    case SIOCGIFFLAGS:
      request.ifr_flags = static_cast<short>(interface.flags);
      return 0;
    case SIOCGIFADDR:
      put_address(request, interface.address);
      return 0;
    case SIOCGIFNETMASK:
      put_address(request, mask_of(interface));
      return 0;
    case SIOCGIFBRDADDR:
      put_address(request, interface.address | ~mask_of(interface));
      return 0;
    case SIOCGIFMTU:
      request.ifr_mtu = interface.mtu;
      return 0;
    case SIOCGIFMETRIC:
      request.ifr_metric = 0;
      return 0;
    case SIOCGIFTXQLEN:
      request.ifr_qlen = 1000;
      return 0;
    case SIOCGIFHWADDR:
      std::memset(&request.ifr_hwaddr, 0, sizeof request.ifr_hwaddr);
      request.ifr_hwaddr.sa_family = interface.hardware_type;
      std::copy(interface.hardware.begin(), interface.hardware.end(), request.ifr_hwaddr.sa_data);
      return 0;
    default:
      return -EINVAL;
  }
}

bool asks(uint64_t command) {
  for (const uint64_t known : {SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFBRDADDR,
                               SIOCGIFMTU, SIOCGIFMETRIC, SIOCGIFTXQLEN, SIOCGIFHWADDR})
    if (command == known) return true;
  return false;
}

bool changes(uint64_t command) {
  for (const uint64_t known : {SIOCSIFNAME, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFBRDADDR, SIOCSIFMTU,
                               SIOCSIFHWADDR, SIOCADDRT, SIOCDELRT, SIOCSARP, SIOCDARP})
    if (command == known) return true;
  return false;
}

}  // namespace

std::span<const Interface> interfaces() { return all; }

std::vector<std::byte> interface_list() {
  std::vector<std::byte> out;
  for (const Interface& interface : all) {
    struct ::ifreq request {};
    std::copy(interface.name.begin(), interface.name.end(), request.ifr_name);
    put_address(request, interface.address);
    const auto bytes = std::as_bytes(std::span(&request, 1));
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

int64_t interface_control(uint64_t command, std::span<std::byte> argument) {
  if (changes(command)) return -EPERM;
  if (!asks(command)) return -EINVAL;
  struct ::ifreq request {};
  if (argument.size() < sizeof request) return -EINVAL;
  std::memcpy(&request, argument.data(), sizeof request);
  request.ifr_name[sizeof request.ifr_name - 1] = '\0';
  const std::string_view name = request.ifr_name;
  for (const Interface& interface : all) {
    if (command == SIOCGIFNAME ? interface.index != request.ifr_ifindex : interface.name != name) continue;
    const int64_t error = answer(command, interface, request);
    if (error == 0) std::memcpy(argument.data(), &request, sizeof request);
    return error;
  }
  return -ENODEV;
}

}  // namespace shrike::sandbox::microvm

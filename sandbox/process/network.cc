#include "sandbox/process/network.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "common/base/fd.h"

namespace shrike::sandbox::process {

namespace {

constexpr int loopback_index = 1;  // always: it is a namespace's first
constexpr const char* own_address = "10.0.2.15";

/// Messages of rtnetlink, built one behind the other.
class Request {
 public:
  template <class Body>
  void begin(uint16_t type, uint16_t flags, const Body& body) {
    at_ = bytes_.size();
    nlmsghdr head{};
    head.nlmsg_type = type;
    head.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    add(&head, sizeof head);
    add(&body, sizeof body);
    finish();
  }
  void attribute(uint16_t type, const void* value, size_t size) {
    rtattr head{};
    head.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    head.rta_type = type;
    add(&head, sizeof head);
    add(value, size);
    finish();
  }
  /// Sends all and waits for the answer to each.
  Result<void> send(int messages) {
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket.valid()) return errno_error("netlink");
    if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0) return errno_error("netlink");
    for (int answers = 0; answers < messages;) {
      alignas(nlmsghdr) char answer[4096];
      const ssize_t got = ::recv(socket.get(), answer, sizeof answer, 0);
      if (got < 0) return errno_error("netlink");
      auto left = static_cast<unsigned>(got);
      for (auto* head = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
        if (head->nlmsg_type != NLMSG_ERROR) continue;
        ++answers;
        nlmsgerr error{};
        std::memcpy(&error, NLMSG_DATA(head), sizeof error);
        if (error.error != 0 && error.error != -EEXIST) return errno_error("netlink", -error.error);
      }
    }
    return {};
  }

 private:
  void add(const void* value, size_t size) {
    bytes_.append(static_cast<const char*>(value), size);
    bytes_.append(NLMSG_ALIGN(bytes_.size()) - bytes_.size(), '\0');
  }
  void finish() {
    const auto length = static_cast<uint32_t>(bytes_.size() - at_);
    std::memcpy(bytes_.data() + at_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  }
  std::string bytes_;
  size_t at_ = 0;
};

void add_route(Request& request, unsigned char family, const in_addr* source) {
  rtmsg route{};
  route.rtm_family = family;
  route.rtm_table = RT_TABLE_LOCAL;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = RT_SCOPE_HOST;
  route.rtm_type = RTN_LOCAL;
  request.begin(RTM_NEWROUTE, NLM_F_CREATE, route);
  const int index = loopback_index;
  request.attribute(RTA_OIF, &index, sizeof index);
  if (source != nullptr) request.attribute(RTA_PREFSRC, source, sizeof *source);
}

}  // namespace

Result<void> loopback_up() {
  Request request;
  ifinfomsg link{};
  link.ifi_index = loopback_index;
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  request.begin(RTM_NEWLINK, 0, link);
  return request.send(1);
}

Result<void> whole_internet_to_loopback() {
  in_addr own{};
  ::inet_pton(AF_INET, own_address, &own);
  Request request;
  ifaddrmsg address{};
  address.ifa_family = AF_INET;
  address.ifa_prefixlen = 32;
  address.ifa_index = loopback_index;
  request.begin(RTM_NEWADDR, NLM_F_CREATE, address);
  request.attribute(IFA_LOCAL, &own, sizeof own);
  add_route(request, AF_INET, &own);
  TRY_VOID(request.send(2));
  Request six;
  add_route(six, AF_INET6, nullptr);
  // A kernel without IPv6 has no such sockets either.
  static_cast<void>(six.send(1));
  return {};
}

}  // namespace shrike::sandbox::process

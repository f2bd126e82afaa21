// Answers of NETLINK_ROUTE (rtnetlink(7)).

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/interfaces.h"
#include "sandbox/microvm/files/netlink_socket.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr uint32_t gateway = 0xc0a80101;  // 192.168.1.1
constexpr uint32_t lower_up = 1u << 16;   // IFF_LOWER_UP, whose header does not go together with <net/if.h>

/// One message of netlink's, put together piece by piece.
class Builder {
 public:
  Builder(uint16_t type, const nlmsghdr& request, uint32_t port) {
    head_.nlmsg_type = type;
    head_.nlmsg_flags = NLM_F_MULTI;
    head_.nlmsg_seq = request.nlmsg_seq;
    head_.nlmsg_pid = port;
    bytes_.resize(sizeof head_);
  }
  template <class T>
  Builder& add(const T& value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    return *this;
  }
  Builder& attribute(uint16_t type, std::string_view value) {
    rtattr head{};
    head.rta_type = type;
    head.rta_len = static_cast<uint16_t>(RTA_LENGTH(value.size()));
    bytes_.append(reinterpret_cast<const char*>(&head), sizeof head);
    bytes_ += value;
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    return *this;
  }
  Builder& number(uint16_t type, uint32_t value) {
    return attribute(type, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  Builder& address(uint16_t type, uint32_t value) { return number(type, htonl(value)); }
  std::string finish() {
    head_.nlmsg_len = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &head_, sizeof head_);
    return std::move(bytes_);
  }

 private:
  nlmsghdr head_{};
  std::string bytes_;
};

std::string text(std::string_view name) { return std::string(name) + '\0'; }

std::string link_message(const Interface& interface, const nlmsghdr& request, uint32_t port) {
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_type = interface.hardware_type;
  info.ifi_index = interface.index;
  info.ifi_flags = interface.flags | lower_up;
  const std::string hardware(interface.hardware.begin(), interface.hardware.end());
  const std::string broadcast(6, interface.index == 1 ? '\0' : '\xff');
  const uint8_t up = 6;  // IF_OPER_UP
  return Builder(RTM_NEWLINK, request, port)
      .add(info)
      .attribute(IFLA_IFNAME, text(interface.name))
      .number(IFLA_TXQLEN, 1000)
      .attribute(IFLA_OPERSTATE, {reinterpret_cast<const char*>(&up), 1})
      .number(IFLA_MTU, static_cast<uint32_t>(interface.mtu))
      .attribute(IFLA_ADDRESS, hardware)
      .attribute(IFLA_BROADCAST, broadcast)
      .attribute(IFLA_QDISC, text(interface.index == 1 ? "noqueue" : "fq_codel"))
      .finish();
}

std::string address_message(const Interface& interface, const nlmsghdr& request, uint32_t port) {
  ifaddrmsg info{};
  info.ifa_family = AF_INET;
  info.ifa_prefixlen = static_cast<uint8_t>(interface.prefix);
  info.ifa_flags = IFA_F_PERMANENT;
  info.ifa_scope = interface.index == 1 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  info.ifa_index = static_cast<uint32_t>(interface.index);
  return Builder(RTM_NEWADDR, request, port)
      .add(info)
      .address(IFA_ADDRESS, interface.address)
      .address(IFA_LOCAL, interface.address)
      .attribute(IFA_LABEL, text(interface.name))
      .finish();
}

std::string loopback_message(const nlmsghdr& request, uint32_t port) {
  ifaddrmsg info{};
  info.ifa_family = AF_INET6;
  info.ifa_prefixlen = 128;
  info.ifa_flags = IFA_F_PERMANENT;
  info.ifa_scope = RT_SCOPE_HOST;
  info.ifa_index = 1;
  std::string address(16, '\0');
  address.back() = '\1';
  return Builder(RTM_NEWADDR, request, port).add(info).attribute(IFA_ADDRESS, address).finish();
}

std::string route_message(bool all, const nlmsghdr& request, uint32_t port) {
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_dst_len = all ? 0 : 24;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = all ? RTPROT_BOOT : RTPROT_KERNEL;
  info.rtm_scope = all ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  info.rtm_type = RTN_UNICAST;
  Builder message(RTM_NEWROUTE, request, port);
  message.add(info).number(RTA_TABLE, RT_TABLE_MAIN).number(RTA_OIF, 2);
  if (all) {
    message.address(RTA_GATEWAY, gateway);
  } else {
    message.address(RTA_DST, gateway & 0xffffff00).address(RTA_PREFSRC, own_v4);
  }
  return message.finish();
}

std::string done_message(const nlmsghdr& request, uint32_t port) {
  return Builder(NLMSG_DONE, request, port).add(int32_t{0}).finish();
}

std::string error_message(int error, const nlmsghdr& request, uint32_t port) {
  nlmsgerr info{};
  info.error = error;
  info.msg = request;
  Builder message(NLMSG_ERROR, request, port);
  return message.add(info).finish();
}

bool family_is(std::string_view body, uint8_t family) {
  return body.empty() || body[0] == AF_UNSPEC || static_cast<uint8_t>(body[0]) == family;
}

std::string told(const nlmsghdr& request, std::string_view body, uint32_t port, bool& known) {
  std::string out;
  known = true;
  switch (request.nlmsg_type) {
    case RTM_GETLINK:
      for (const Interface& interface : interfaces()) out += link_message(interface, request, port);
      return out;
    case RTM_GETADDR:
      if (family_is(body, AF_INET))
        for (const Interface& interface : interfaces()) out += address_message(interface, request, port);
      if (family_is(body, AF_INET6)) out += loopback_message(request, port);
      return out;
    case RTM_GETROUTE:
      if (family_is(body, AF_INET)) out += route_message(true, request, port) + route_message(false, request, port);
      return out;
    case RTM_GETNEIGH:
    case RTM_GETRULE:
    case RTM_GETQDISC:
      return out;
    default:
      known = false;
      return out;
  }
}

}  // namespace

std::vector<std::string> route_answers(std::string_view request, uint32_t port) {
  std::vector<std::string> out;
  nlmsghdr head{};
  if (request.size() < sizeof head) return out;
  std::memcpy(&head, request.data(), sizeof head);
  if (head.nlmsg_len < sizeof head || head.nlmsg_len > request.size()) return out;
  const std::string_view body = request.substr(sizeof head, head.nlmsg_len - sizeof head);
  bool known = false;
  std::string list = told(head, body, port, known);
  if (!known) {
    // What would change something is refused; what is only asked is not there.
    const bool asks = (head.nlmsg_type & 3) == 2;
    out.push_back(error_message(asks ? -EOPNOTSUPP : -EPERM, head, port));
  } else if ((head.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
    if (!list.empty()) out.push_back(std::move(list));
    out.push_back(done_message(head, port));
  } else {
    out.push_back(list.empty() ? error_message(-ENODEV, head, port) : std::move(list));
  }
  return out;
}

}  // namespace shrike::sandbox::microvm

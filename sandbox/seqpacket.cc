#include "sandbox/seqpacket.h"

#include <sys/socket.h>

#include <cstring>
#include <memory>

namespace shrike::sandbox {

Result<void> send_packet(int socket, std::string_view text, std::span<const int> fds) {
  if (text.size() > packet_text_max || fds.size() > packet_fds_max) return Error{"packet: too large"};
  alignas(cmsghdr) char control[CMSG_SPACE(packet_fds_max * sizeof(int))] = {};
  iovec vector{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) return {};
    if (errno != EINTR) return errno_error("packet");
  }
}

Result<std::optional<Packet>> receive_packet(int socket, bool wait) {
  const auto bytes = std::make_unique_for_overwrite<char[]>(packet_text_max);
  alignas(cmsghdr) char control[CMSG_SPACE(packet_fds_max * sizeof(int))];
  iovec vector{bytes.get(), packet_text_max};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  while (got < 0 && errno == EINTR);
  if (got == 0 || (got < 0 && (errno == EAGAIN || errno == ECONNRESET))) return std::optional<Packet>{};
  if (got < 0) return errno_error("packet");
  Packet packet;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      packet.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Error{"packet: cut"};
  packet.text.assign(bytes.get(), static_cast<size_t>(got));
  return std::optional<Packet>(std::move(packet));
}

}  // namespace shrike::sandbox

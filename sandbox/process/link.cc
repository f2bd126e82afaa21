#include "sandbox/process/link.h"

#include <sys/socket.h>

#include <cstring>

namespace shrike::sandbox::process {

Result<void> say(int link, Word word, std::string_view text, std::span<const int> fds) {
  if (text.size() > link_text_max) text = text.substr(0, link_text_max);
  alignas(cmsghdr) char control[CMSG_SPACE(link_fds_max * sizeof(int))] = {};
  auto first = static_cast<uint8_t>(word);
  iovec vectors[2] = {{&first, 1}, {const_cast<char*>(text.data()), text.size()}};
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = 2;
  if (fds.size() > link_fds_max) return Error{"link: too many descriptors"};
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
    if (::sendmsg(link, &message, MSG_NOSIGNAL) >= 0) return {};
    if (errno != EINTR) return errno_error("link");
  }
}

Result<std::optional<Heard>> hear(int link, bool wait) {
  static thread_local char bytes[1 + link_text_max];
  alignas(cmsghdr) char control[CMSG_SPACE(link_fds_max * sizeof(int))];
  iovec vector{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do got = ::recvmsg(link, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  while (got < 0 && errno == EINTR);
  if (got == 0 || (got < 0 && (errno == EAGAIN || errno == ECONNRESET))) return std::optional<Heard>{};
  if (got < 0) return errno_error("link");
  Heard heard;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      heard.fds.emplace_back(fd);
    }
  }
  const auto word = static_cast<uint8_t>(bytes[0]);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || word < 1 || word > 9)
    return Error{"link: what came is no word of ours"};
  heard.word = static_cast<Word>(word);
  heard.text.assign(bytes + 1, static_cast<size_t>(got) - 1);
  return std::optional<Heard>(std::move(heard));
}

}  // namespace shrike::sandbox::process

#include "collector/ctl/notify.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace shrike::ctl {

Result<NotifySocket> NotifySocket::open() {
  NotifySocket out;
  out.fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out.fd_.valid()) return errno_error("socket");
  // Binding to no name lets the kernel choose a free one of the abstract namespace: no file to remove, no length limit.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);
  if (bind(out.fd_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return errno_error("bind");
  size = sizeof address;
  if (getsockname(out.fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return errno_error("getsockname");
  const size_t head = offsetof(sockaddr_un, sun_path) + 1;
  if (size <= head) return Error{"the kernel gave no socket name"};
  out.name_.assign(address.sun_path + 1, size - head);
  return out;
}

std::string NotifySocket::environment() const { return "NOTIFY_SOCKET=@" + name_; }

bool NotifySocket::ready() {
  char buffer[4096];
  ssize_t n;
  while ((n = recv(fd_.get(), buffer, sizeof buffer, 0)) >= 0) {
    std::string_view rest(buffer, static_cast<size_t>(n));
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      if (line == "READY=1") ready_ = true;
      if (line.starts_with("STATUS=")) status_ = line.substr(7);
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
  }
  return ready_;
}

}  // namespace shrike::ctl

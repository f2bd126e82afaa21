#include "sandbox/microvm/broker.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/broker_wire.h"

namespace shrike::sandbox::microvm {

Result<bool> Broker::serve() {
  for (;;) {
    // One byte more than a request has, so that a longer one is seen as such. Descriptors that come are not taken.
    char request[broker_request_bytes + 1];
    const ssize_t got = ::recv(socket_.get(), request, sizeof request, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return true;
    if (got < 0) return errno_error("broker");
    if (got == 0) return false;
    TRY_VOID(answer({request, static_cast<size_t>(got)}));
  }
}

Result<void> Broker::answer(std::string_view bytes) {
  const auto request = decode_request(bytes);
  if (!request) return Error{"broker: what the machine asks is no request"};
  const auto refuse = [&](const Error& error) {
    return send(encode_plain(request->operation, static_cast<uint32_t>(error.code != 0 ? error.code : EIO)), -1);
  };
  switch (request->operation) {
    case BrokerOperation::list: {
      const auto entries = tree_.list(request->number);
      return entries ? send(encode_list(*entries.value(), request->from), -1) : refuse(entries.error());
    }
    case BrokerOperation::look: {
      const auto entry = tree_.look(request->number);
      return entry ? send(encode_look(entry.value()), -1) : refuse(entry.error());
    }
    case BrokerOperation::open: {
      const auto file = tree_.open_file(request->number);
      return file ? send(encode_plain(request->operation, 0), file.value().get()) : refuse(file.error());
    }
  }
  return Error{"broker: an unknown request"};
}

Result<void> Broker::send(const std::string& bytes, int fd) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  }
  // It waits for each answer before it asks again: one that does not fit is one that it should have taken.
  while (::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    if (errno != EINTR) return errno_error("broker");
  return {};
}

}  // namespace shrike::sandbox::microvm

#include "sandbox/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "common/base/bytes.h"

namespace shrike::sandbox {

namespace {

constexpr size_t header_bytes = 8;
constexpr size_t chunk_bytes = 256u << 10;  // what a header promises costs memory only as it comes

/// Takes the descriptors out of a received message.
Result<void> take_fds(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || fds.size() > frame_fds_max)
    return Error{"channel: more than " + std::to_string(frame_fds_max) + " descriptors with a frame"};
  return {};
}

/// Up to `size` bytes, and what came with them; 0 at the end.
Result<size_t> receive_some(int socket, char* to, size_t size, std::vector<Fd>& fds) {
  alignas(cmsghdr) char control[CMSG_SPACE(frame_fds_max * sizeof(int))];
  for (;;) {
    iovec vector{to, size};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("channel");
    TRY_VOID(take_fds(message, fds));
    return static_cast<size_t>(got);
  }
}

}  // namespace

std::string frame_header(Frame type, size_t payload_bytes) {
  std::string header(header_bytes, '\0');
  store_le(header.data(), static_cast<uint32_t>(payload_bytes));
  header[4] = static_cast<char>(type);
  return header;
}

std::string place_bytes(const JobPlace& place) {
  std::string bytes(2 * sizeof(uint64_t), '\0');
  store_le(bytes.data(), place.cgroup);
  store_le(bytes.data() + sizeof(uint64_t), place.user_namespace);
  return bytes;
}

Result<JobPlace> place_of_bytes(std::string_view bytes) {
  if (bytes.size() != 2 * sizeof(uint64_t))
    return Error{"channel: a place of " + std::to_string(bytes.size()) + " bytes"};
  return JobPlace{load_le<uint64_t>(bytes.data()), load_le<uint64_t>(bytes.data() + sizeof(uint64_t))};
}

Result<void> Channel::send(Frame type, std::string_view payload, std::span<const int> fds) {
  if (payload.size() > frame_payload_max)
    return Error{"channel: a frame of " + std::to_string(payload.size()) + " bytes is too large"};
  if (fds.size() > frame_fds_max) return Error{"channel: too many descriptors"};
  const std::string header = frame_header(type, payload.size());
  alignas(cmsghdr) char control[CMSG_SPACE(frame_fds_max * sizeof(int))] = {};
  size_t sent = 0;
  const size_t whole = header.size() + payload.size();
  while (sent < whole) {
    iovec vectors[2] = {};
    int count = 0;
    if (sent < header.size()) vectors[count++] = {const_cast<char*>(header.data()) + sent, header.size() - sent};
    const size_t from = sent > header.size() ? sent - header.size() : 0;
    if (from < payload.size()) vectors[count++] = {const_cast<char*>(payload.data()) + from, payload.size() - from};
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = static_cast<size_t>(count);
    if (sent == 0 && !fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(fds.size_bytes());
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size_bytes());
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
    }
    const ssize_t done = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno_error("channel");
    sent += static_cast<size_t>(done);
  }
  return {};
}

Result<std::optional<Message>> Channel::receive() {
  Message message;
  char header[header_bytes];
  size_t have = 0;
  while (have < sizeof header) {
    const size_t got = TRY(receive_some(socket_.get(), header + have, sizeof header - have, message.fds));
    if (got == 0 && have == 0) return std::optional<Message>{};
    if (got == 0) return Error{"channel: closed inside a frame's header"};
    have += got;
  }
  const auto length = load_le<uint32_t>(header);
  const auto type = static_cast<uint8_t>(header[4]);
  if (length > frame_payload_max) return Error{"channel: a frame of " + std::to_string(length) + " bytes"};
  if (type < static_cast<uint8_t>(Frame::job) || type > static_cast<uint8_t>(Frame::go))
    return Error{"channel: unknown type of frame " + std::to_string(type)};
  if (header[5] != 0 || header[6] != 0 || header[7] != 0) return Error{"channel: a header that is no frame's"};
  message.type = static_cast<Frame>(type);
  while (message.payload.size() < length) {
    const size_t at = message.payload.size();
    message.payload.resize(at + std::min<size_t>(length - at, chunk_bytes));
    const size_t got =
        TRY(receive_some(socket_.get(), message.payload.data() + at, message.payload.size() - at, message.fds));
    if (got == 0) return Error{"channel: closed inside a frame"};
    message.payload.resize(at + got);
  }
  if (!message.fds.empty() && message.type != Frame::job)
    return Error{"channel: descriptors with a frame that has none"};
  return std::optional<Message>(std::move(message));
}

}  // namespace shrike::sandbox

// Bytes and descriptors through sockets.

#include <sys/socket.h>

#include <algorithm>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/socket_calls.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t control_most = 8192;
constexpr size_t files_most = 253;  // SCM_MAX_FD
constexpr size_t messages_most = 64;

/// struct msghdr as the program has it.
struct Header {
  uint64_t name = 0;
  uint32_t name_length = 0;
  uint32_t padding = 0;
  uint64_t slices = 0;
  uint64_t slice_count = 0;
  uint64_t control = 0;
  uint64_t control_length = 0;
  uint32_t flags = 0;
  uint32_t padding2 = 0;
};
static_assert(sizeof(Header) == 56);

struct ControlHeader {
  uint64_t length = 0;
  int32_t level = 0;
  int32_t type = 0;
};

// Descriptors that travel with a message. -EINVAL: broken, something else than descriptors; -EBADF.
int64_t read_control(Request& request, const Header& header, Message& message) {
  if (header.control == 0 || header.control_length == 0) return 0;
  if (header.control_length > control_most) return -ENOBUFS;
  std::vector<std::byte> control(header.control_length);
  if (!request.memory.read(header.control, control)) return -EFAULT;
  for (size_t at = 0; at + sizeof(ControlHeader) <= control.size();) {
    ControlHeader part;
    std::memcpy(&part, &control[at], sizeof part);
    if (part.length < sizeof part || part.length > control.size() - at) return -EINVAL;
    const bool rights = part.level == SOL_SOCKET && part.type == SCM_RIGHTS;
    const bool credentials = part.level == SOL_SOCKET && part.type == SCM_CREDENTIALS;
    if (!rights && !credentials && part.level == SOL_SOCKET) return -EINVAL;
    const size_t count = rights ? (part.length - sizeof part) / sizeof(int32_t) : 0;
    if (message.files.size() + count > files_most) return -EINVAL;
    for (size_t i = 0; i < count; ++i) {
      int32_t fd = 0;
      std::memcpy(&fd, &control[at + sizeof part + i * sizeof fd], sizeof fd);
      FilePtr file = request.process.files->get(fd);
      if (!file) return -EBADF;
      message.files.push_back(std::move(file));
    }
    at += (part.length + 7) & ~uint64_t{7};
  }
  return 0;
}

int64_t do_send(Request& request, const std::shared_ptr<Socket>& socket, const std::vector<Slice>& slices,
                Message message, int flags) {
  bool whole = false;
  const auto bytes = std::make_shared<std::vector<std::byte>>(request.memory.gather(slices, whole));
  if (!whole) return -EFAULT;
  tell_data(request, *bytes);
  message.sender = request.process.pid;
  const auto told = std::make_shared<Message>(std::move(message));
  const auto done = std::make_shared<size_t>(0);
  System* system = &request.system;
  Thread* thread = &request.thread;
  const bool stream = socket->writes_whole();
  const Place place = request.place();
  const bool dont_wait = (flags & MSG_DONTWAIT) != 0;
  auto attempt = [=]() -> int64_t {
    while (true) {
      const int64_t put = socket->send(place, std::span(*bytes).subspan(*done), *told, flags);
      const auto so_far = static_cast<int64_t>(*done);
      if (put == -EAGAIN) return so_far > 0 && dont_wait ? so_far : -EAGAIN;
      if (put < 0) {
        if (so_far > 0) return so_far;
        return (flags & MSG_NOSIGNAL) != 0 ? put : broken_pipe(*system, *thread, put);
      }
      *done += static_cast<size_t>(put);
      told->files.clear();
      if (!stream || put == 0 || *done == bytes->size()) return static_cast<int64_t>(*done);
    }
  };
  return retry(request, socket, POLLOUT, dont_wait, std::move(attempt));
}

int64_t read_message(Request& request, const Header& header, std::vector<Slice>& slices, Message& message) {
  if (header.slice_count > 1024) return -EMSGSIZE;
  if (const int64_t error = request.memory.slices(header.slices, header.slice_count, slices); error < 0) return error;
  if (header.name != 0 && header.name_length != 0)
    if (const int64_t error = read_address(request, header.name, header.name_length, message.address); error < 0)
      return error;
  return read_control(request, header, message);
}

/// Where a received message goes: copies of what the call said.
struct Receiver {
  Process* process;
  UserMemory memory;
  std::shared_ptr<Socket> socket;
  std::vector<Slice> slices;
  Header header;
  uint64_t header_at = 0;  ///< to give lengths and flags back; 0: recvfrom
  uint64_t name_length_at = 0;
  int flags = 0;

  // Descriptors that came along get numbers; those without room are dropped, as Linux does.
  int64_t give_control(Message& message, uint64_t& used) {
    used = 0;
    if (message.files.empty()) return 0;
    const size_t room = header.control == 0 || header.control_length < sizeof(ControlHeader)
                            ? 0
                            : (header.control_length - sizeof(ControlHeader)) / sizeof(int32_t);
    std::vector<int32_t> numbers;
    const bool close_on_exec = (flags & MSG_CMSG_CLOEXEC) != 0;
    for (const FilePtr& file : message.files) {
      const int64_t fd = numbers.size() < room
                             ? process->files->add(file, close_on_exec, process->limits[RLIMIT_NOFILE].rlim_cur)
                             : -EMFILE;
      if (fd < 0) {
        message.flags |= MSG_CTRUNC;
        break;
      }
      numbers.push_back(static_cast<int32_t>(fd));
    }
    if (numbers.empty()) return 0;
    const auto bytes = std::as_bytes(std::span(numbers));
    const ControlHeader part{sizeof(ControlHeader) + bytes.size(), SOL_SOCKET, SCM_RIGHTS};
    used = std::min((part.length + 7) & ~uint64_t{7}, header.control_length);
    return memory.put(header.control, part) && memory.write(header.control + sizeof part, bytes) ? 0 : -EFAULT;
  }

  int64_t give_header(Message& message) {
    if (header.name != 0) {
      const size_t part = std::min<size_t>(message.address.size(), header.name_length);
      if (!memory.write(header.name, std::span(message.address).first(part))) return -EFAULT;
    }
    uint64_t used = 0;
    if (const int64_t error = give_control(message, used); error < 0) return error;
    Header back = header;
    back.name_length = static_cast<uint32_t>(message.address.size());
    back.control_length = used;
    back.flags = message.flags;
    return memory.put(header_at, back) ? 0 : -EFAULT;
  }

  std::vector<std::byte> kept = {};  ///< MSG_WAITALL: what has come so far

  // With MSG_WAITALL a stream is read until there is no more room, or it ends.
  int64_t receive(uint64_t total, Message& message, std::vector<std::byte>& bytes) {
    const bool all = (flags & MSG_WAITALL) != 0 && (flags & (MSG_PEEK | MSG_DONTWAIT)) == 0 && socket->writes_whole();
    if (!all) {
      bytes.resize(total);
      return socket->receive(bytes, message, flags);
    }
    while (kept.size() < total) {
      std::vector<std::byte> more(total - kept.size());
      const int64_t got = socket->receive(more, message, flags & ~MSG_WAITALL);
      if (got == -EAGAIN || (got < 0 && kept.empty())) return got;
      if (got <= 0) break;
      kept.insert(kept.end(), more.begin(), more.begin() + std::min<int64_t>(got, static_cast<int64_t>(more.size())));
    }
    bytes = std::move(kept);
    kept.clear();
    return static_cast<int64_t>(bytes.size());
  }

  int64_t attempt() {
    uint64_t total = 0;
    for (const Slice& slice : slices) total += slice.length;
    std::vector<std::byte> bytes;
    Message message;
    const int64_t got = receive(total, message, bytes);
    if (got < 0) return got;
    const auto length = std::min<size_t>(static_cast<size_t>(got), bytes.size());
    if (memory.scatter(slices, std::span(bytes).first(length)) < length) return -EFAULT;
    const int64_t error =
        header_at != 0 ? give_header(message) : give_address(memory, message.address, header.name, name_length_at);
    return error < 0 ? error : got;
  }
};

int64_t do_receive(Request& request, Receiver receiver) {
  const std::shared_ptr<Socket> socket = receiver.socket;
  const bool dont_wait = (receiver.flags & MSG_DONTWAIT) != 0;
  return retry(request, socket, POLLIN, dont_wait,
               [receiver = std::move(receiver)]() mutable { return receiver.attempt(); });
}

int64_t read_receiver(Request& request, uint64_t header_at, int flags, std::optional<Receiver>& out) {
  std::shared_ptr<Socket> socket;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  Receiver receiver{&request.process, request.memory, socket, {}, {}, header_at, 0, flags};
  if (!request.memory.get(header_at, receiver.header)) return -EFAULT;
  if (receiver.header.slice_count > 1024) return -EMSGSIZE;
  const int64_t error = request.memory.slices(receiver.header.slices, receiver.header.slice_count, receiver.slices);
  if (error == 0) out = std::move(receiver);
  return error;
}
}  // namespace

int64_t on_sendto(Request& request) {
  std::shared_ptr<Socket> socket;
  Message message;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (request.args[4] != 0)
    if (const int64_t error = read_address(request, request.args[4], request.args[5], message.address); error < 0)
      return error;
  const Slice slice{request.args[1], std::min(request.args[2], transfer_most)};
  return do_send(request, socket, {slice}, std::move(message), request.number(3));
}

int64_t on_sendmsg(Request& request) {
  std::shared_ptr<Socket> socket;
  Header header;
  Message message;
  std::vector<Slice> slices;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (!request.memory.get(request.args[1], header)) return -EFAULT;
  if (const int64_t error = read_message(request, header, slices, message); error < 0) return error;
  return do_send(request, socket, slices, std::move(message), request.number(2));
}

int64_t on_sendmmsg(Request& request) {
  std::shared_ptr<Socket> socket;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  const size_t count = std::min<size_t>(request.args[2] & 0xffffffff, messages_most);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t at = request.args[1] + i * 64;  // struct mmsghdr
    Header header;
    Message message;
    std::vector<Slice> slices;
    int64_t sent = request.memory.get(at, header) ? read_message(request, header, slices, message) : -EFAULT;
    if (sent == 0) sent = do_send(request, socket, slices, std::move(message), request.number(3) | MSG_DONTWAIT);
    if (sent >= 0 && !request.memory.put(at + sizeof(Header), static_cast<uint32_t>(sent))) sent = -EFAULT;
    if (sent < 0) return i > 0 ? static_cast<int64_t>(i) : sent;
  }
  return static_cast<int64_t>(count);
}

int64_t on_recvfrom(Request& request) {
  std::shared_ptr<Socket> socket;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  Receiver receiver{&request.process, request.memory, socket, {}, {}, 0, request.args[5], request.number(3)};
  receiver.slices = {{request.args[1], std::min(request.args[2], transfer_most)}};
  receiver.header.name = request.args[4];
  return do_receive(request, std::move(receiver));
}

int64_t on_recvmsg(Request& request) {
  std::optional<Receiver> receiver;
  const int64_t error = read_receiver(request, request.args[1], request.number(2), receiver);
  return error < 0 ? error : do_receive(request, std::move(*receiver));
}

int64_t on_recvmmsg(Request& request) {
  const size_t count = std::min<size_t>(request.args[2] & 0xffffffff, messages_most);
  std::vector<Receiver> receivers;
  for (size_t i = 0; i < count; ++i) {
    std::optional<Receiver> receiver;
    const int64_t error = read_receiver(request, request.args[1] + i * 64, request.number(3), receiver);
    if (error < 0 && i == 0) return error;
    if (error < 0) break;
    receivers.push_back(std::move(*receiver));
  }
  if (receivers.empty()) return 0;
  const std::shared_ptr<Socket> socket = receivers.front().socket;
  const bool dont_wait = (request.number(3) & MSG_DONTWAIT) != 0;
  // Waits for the first one only; a timeout that Linux looks at between two messages has no meaning then.
  return retry(request, socket, POLLIN, dont_wait, [receivers = std::move(receivers)]() mutable -> int64_t {
    int64_t done = 0;
    for (Receiver& receiver : receivers) {
      const int64_t got = receiver.attempt();
      if (got < 0) return done > 0 ? done : got;
      if (!receiver.memory.put(receiver.header_at + sizeof(Header), static_cast<uint32_t>(got))) return -EFAULT;
      ++done;
    }
    return done;
  });
}

}  // namespace shrike::sandbox::microvm

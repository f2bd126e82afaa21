// Sockets: made, named, connected.

#include <fcntl.h>
#include <sys/socket.h>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/socket_calls.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t address_most = 128;
constexpr uint64_t option_most = 4096;
constexpr int type_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

int64_t install_socket(Request& request, const std::shared_ptr<Socket>& socket, int flags) {
  if ((flags & SOCK_NONBLOCK) != 0) socket->flags |= O_NONBLOCK;
  return request.install(socket, (flags & SOCK_CLOEXEC) != 0);
}

std::string name_of(const Request& request) {
  return "socket(" + std::to_string(request.number(0)) + ", " + std::to_string(request.number(1) & ~type_flags) + ", " +
         std::to_string(request.number(2)) + ")";
}

int64_t check_made(Request& request, int64_t error) {
  return error == -EPERM ? request.refuse(name_of(request), error) : error;
}
}  // namespace

int64_t find_socket(const Request& request, size_t argument, std::shared_ptr<Socket>& out) {
  const FilePtr file = request.file(argument);
  if (!file) return -EBADF;
  out = std::dynamic_pointer_cast<Socket>(file);
  return out ? 0 : -ENOTSOCK;
}

int64_t read_address(Request& request, uint64_t address, uint64_t length, Address& out) {
  if (static_cast<int32_t>(length) < 0 || (length & 0xffffffff) > address_most) return -EINVAL;
  out.resize(length & 0xffffffff);
  if (!request.memory.read(address, out)) return -EFAULT;
  request.tell(TextKind::address, std::string(reinterpret_cast<const char*>(out.data()), out.size()));
  return 0;
}

int64_t give_address(const UserMemory& memory, const Address& from, uint64_t address, uint64_t length_at) {
  if (address == 0) return 0;
  int32_t room = 0;
  if (!memory.get(length_at, room)) return -EFAULT;
  if (room < 0) return -EINVAL;
  const size_t part = std::min<size_t>(from.size(), static_cast<size_t>(room));
  return memory.write(address, std::span(from).first(part)) && memory.put(length_at, static_cast<int32_t>(from.size()))
             ? 0
             : -EFAULT;
}

int64_t on_socket(Request& request) {
  std::shared_ptr<Socket> socket;
  const int type = request.number(1);
  const int64_t error = request.system.sockets->make(request.process.pid, request.number(0), type & ~type_flags,
                                                     request.number(2), socket);
  return error < 0 ? check_made(request, error) : install_socket(request, socket, type);
}

int64_t on_socketpair(Request& request) {
  std::shared_ptr<Socket> first, second;
  const int type = request.number(1);
  const int64_t error = request.system.sockets->make_pair(request.process.pid, request.number(0), type & ~type_flags,
                                                          request.number(2), first, second);
  if (error < 0) return check_made(request, error);
  const int64_t one = install_socket(request, first, type);
  if (one < 0) return one;
  const int64_t two = install_socket(request, second, type);
  const std::array<int32_t, 2> both{static_cast<int32_t>(one), static_cast<int32_t>(two)};
  const int64_t result = two < 0 ? two : request.memory.put(request.args[3], both) ? 0 : -EFAULT;
  if (result < 0) {
    request.process.files->close(both[0]);
    if (two >= 0) request.process.files->close(both[1]);
  }
  return result;
}

int64_t on_bind(Request& request) {
  std::shared_ptr<Socket> socket;
  Address address;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (const int64_t error = read_address(request, request.args[1], request.args[2], address); error < 0) return error;
  return socket->bind(request.place(), address);
}

int64_t on_connect(Request& request) {
  std::shared_ptr<Socket> socket;
  Address address;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (const int64_t error = read_address(request, request.args[1], request.args[2], address); error < 0) return error;
  const int64_t result = socket->connect(request.place(), address);
  if ((result != -EINPROGRESS && result != -EAGAIN) || (socket->flags & O_NONBLOCK) != 0) return result;
  Wait wait;
  wait.files = {socket};
  wait.again = [socket]() -> std::optional<int64_t> {
    if ((socket->poll() & (POLLOUT | POLLERR | POLLHUP)) == 0) return std::nullopt;
    std::vector<std::byte> value(sizeof(int32_t));
    int32_t code = 0;
    if (socket->get_option(SOL_SOCKET, SO_ERROR, value) == 0 && value.size() == sizeof code)
      std::memcpy(&code, value.data(), sizeof code);
    return -int64_t{code};
  };
  wait.restarts = true;
  return request.wait(std::move(wait));
}

int64_t on_listen(Request& request) {
  std::shared_ptr<Socket> socket;
  const int64_t error = find_socket(request, 0, socket);
  return error < 0 ? error : socket->listen(request.number(1));
}

namespace {
int64_t do_accept(Request& request, int flags) {
  std::shared_ptr<Socket> socket;
  if ((flags & ~type_flags) != 0) return -EINVAL;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  Process* process = &request.process;
  auto attempt = [process, socket, flags, memory = request.memory, address = request.args[1],
                  length = request.args[2]]() -> int64_t {
    std::shared_ptr<Socket> made;
    if (const int64_t error = socket->accept(made); error < 0) return error;
    if ((flags & SOCK_NONBLOCK) != 0) made->flags |= O_NONBLOCK;
    Address peer;
    if (made->peer(peer) == 0)
      if (const int64_t error = give_address(memory, peer, address, length); error < 0) return error;
    return process->files->add(made, (flags & SOCK_CLOEXEC) != 0, process->limits[RLIMIT_NOFILE].rlim_cur);
  };
  return retry(request, socket, POLLIN, false, std::move(attempt));
}
}  // namespace

int64_t on_accept(Request& request) { return do_accept(request, 0); }
int64_t on_accept4(Request& request) { return do_accept(request, request.number(3)); }

int64_t on_shutdown(Request& request) {
  std::shared_ptr<Socket> socket;
  const int64_t error = find_socket(request, 0, socket);
  return error < 0 ? error : socket->shutdown(request.number(1));
}

int64_t on_getsockname(Request& request) {
  std::shared_ptr<Socket> socket;
  Address name;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (const int64_t error = socket->name(name); error < 0) return error;
  return give_address(request.memory, name, request.args[1], request.args[2]);
}

int64_t on_getpeername(Request& request) {
  std::shared_ptr<Socket> socket;
  Address name;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (const int64_t error = socket->peer(name); error < 0) return error;
  return give_address(request.memory, name, request.args[1], request.args[2]);
}

int64_t on_setsockopt(Request& request) {
  std::shared_ptr<Socket> socket;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  const int length = request.number(4);
  if (length < 0 || static_cast<uint64_t>(length) > option_most) return -EINVAL;
  std::vector<std::byte> value(static_cast<size_t>(length));
  if (!request.memory.read(request.args[3], value)) return -EFAULT;
  return socket->set_option(request.number(1), request.number(2), value);
}

int64_t on_getsockopt(Request& request) {
  std::shared_ptr<Socket> socket;
  int32_t length = 0;
  if (const int64_t error = find_socket(request, 0, socket); error < 0) return error;
  if (!request.memory.get(request.args[4], length)) return -EFAULT;
  if (length < 0) return -EINVAL;
  std::vector<std::byte> value(std::min<size_t>(static_cast<size_t>(length), option_most));
  if (const int64_t error = socket->get_option(request.number(1), request.number(2), value); error < 0) return error;
  value.resize(std::min<size_t>(value.size(), static_cast<size_t>(length)));
  return request.memory.write(request.args[3], value) &&
                 request.memory.put(request.args[4], static_cast<int32_t>(value.size()))
             ? 0
             : -EFAULT;
}

}  // namespace shrike::sandbox::microvm

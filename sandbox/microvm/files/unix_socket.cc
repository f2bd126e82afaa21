#include "sandbox/microvm/files/unix_socket.h"

#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/microvm/files/copy.h"

namespace shrike::sandbox::microvm {

namespace {

constexpr size_t path_at = offsetof(sockaddr_un, sun_path);

/// What a bound name leads to.
class UnixNode final : public Node {
 public:
  UnixNode(StorePtr store, std::weak_ptr<UnixSocket> who)
      : Node(std::move(store), S_IFSOCK | 0755), socket(std::move(who)) {}
  std::weak_ptr<UnixSocket> socket;
};

/// The name in a sockaddr_un: a path, or abstract with its NUL at the front; empty: the family alone.
int64_t parse(std::span<const std::byte> address, std::string& out) {
  sa_family_t family = 0;
  if (address.size() < sizeof family || address.size() > sizeof(sockaddr_un)) return -EINVAL;
  std::memcpy(&family, address.data(), sizeof family);
  if (family != AF_UNIX) return -EINVAL;
  const auto* text = reinterpret_cast<const char*>(address.data()) + path_at;
  out.assign(text, address.size() - path_at);
  if (!out.empty() && out.front() != '\0') out.resize(std::min(out.find('\0'), out.size()));
  return 0;
}

Address address_of(std::string_view name) {
  Address out(path_at + name.size() + (name.empty() || name.front() == '\0' ? 0 : 1));
  const sa_family_t family = AF_UNIX;
  std::memcpy(out.data(), &family, sizeof family);
  copy_bytes(out.data() + path_at, name.data(), name.size());
  return out;
}

}  // namespace

Address UnixSocket::nameless() { return address_of({}); }

int64_t UnixSocket::take_name(const std::shared_ptr<UnixSocket>& self, const Place& place,
                              std::span<const std::byte> address) {
  std::string name;
  if (const int64_t error = parse(address, name); error < 0) return error;
  if (!address_.empty()) return -EINVAL;
  const StatePtr& state = socket().state();
  if (name.empty()) {  // autobind: unix(7)
    char chosen[7];
    do {
      std::snprintf(chosen, sizeof chosen, "%05x", state->next_autobind++ & 0xfffff);
      name = std::string(1, '\0') + chosen;
    } while (!state->abstract[name].expired());
  }
  if (name.front() == '\0') {
    std::erase_if(state->abstract, [](const auto& entry) { return entry.second.expired(); });
    if (!state->abstract[name].expired()) return -EADDRINUSE;
    state->abstract[name] = self;
  } else {
    if (state->files == nullptr) return -ENOENT;
    Found found;
    if (const int64_t error = state->files->resolve_name(place, nullptr, name, found); error < 0) return error;
    const int64_t error = state->files->make_name(found, std::make_shared<UnixNode>(state->store, self));
    if (error < 0) return error == -EEXIST ? -EADDRINUSE : error;
  }
  address_ = address_of(name);
  return 0;
}

int64_t UnixSocket::look_up(const Place& place, std::span<const std::byte> address, std::shared_ptr<UnixSocket>& out) {
  std::string name;
  if (const int64_t error = parse(address, name); error < 0) return error;
  if (name.empty()) return -EINVAL;
  const StatePtr& state = socket().state();
  if (name.front() == '\0') {
    const auto known = state->abstract.find(name);
    if (known != state->abstract.end()) out = known->second.lock();
  } else {
    if (state->files == nullptr) return -ENOENT;
    Found found;
    if (const int64_t error = state->files->resolve(place, nullptr, name, true, found); error < 0) return error;
    if (!found.node) return -ENOENT;
    if (const auto node = std::dynamic_pointer_cast<UnixNode>(found.node)) out = node->socket.lock();
  }
  if (!out) return -ECONNREFUSED;
  return out->socket().type() == socket().type() ? 0 : -EPROTOTYPE;
}

int64_t UnixStream::bind(const Place& place, std::span<const std::byte> address) {
  return take_name(self(), place, address);
}

int64_t UnixStream::connect(const Place& place, std::span<const std::byte> address) {
  if (connected()) return -EISCONN;
  if (listening()) return -EINVAL;
  std::shared_ptr<UnixSocket> listener;
  if (const int64_t error = look_up(place, address, listener); error < 0) return error;
  auto& other = static_cast<UnixStream&>(listener->socket());
  int64_t error = 0;
  if (const auto accepted = std::static_pointer_cast<UnixStream>(ask(other, error))) {
    peer_ = other.own_address();
    accepted->address_ = other.address_;
    accepted->peer_ = own_address();
  }
  return error;
}

std::shared_ptr<StreamSocket> UnixStream::make_accepted() {
  return std::make_shared<UnixStream>(state(), type(), pid());
}

int64_t UnixStream::name(Address& out) const {
  out = own_address();
  return 0;
}

int64_t UnixStream::peer(Address& out) const {
  if (!connected()) return -ENOTCONN;
  out = peer_.empty() ? nameless() : peer_;
  return 0;
}

UnixDatagram::UnixDatagram(StatePtr state, uint32_t pid)
    : BasicSocket(state, AF_UNIX, SOCK_DGRAM, 0, pid), queue_(state->store->account) {}

void UnixDatagram::join(const std::shared_ptr<UnixDatagram>& first, const std::shared_ptr<UnixDatagram>& second) {
  first->peer_ = second;
  second->peer_ = first;
  first->has_peer_ = second->has_peer_ = true;
  first->peer_pid_ = second->peer_pid_ = first->pid();
}

int64_t UnixDatagram::bind(const Place& place, std::span<const std::byte> address) {
  return take_name(self(), place, address);
}

int64_t UnixDatagram::connect(const Place& place, std::span<const std::byte> address) {
  sa_family_t family = AF_UNIX;
  if (address.size() >= sizeof family) std::memcpy(&family, address.data(), sizeof family);
  if (family == AF_UNSPEC) {
    peer_.reset();
    has_peer_ = false;
    return 0;
  }
  std::shared_ptr<UnixSocket> other;
  if (const int64_t error = look_up(place, address, other); error < 0) return error;
  peer_ = static_cast<UnixDatagram&>(other->socket()).self();
  has_peer_ = true;
  return 0;
}

int64_t UnixDatagram::send(const Place& place, std::span<const std::byte> bytes, const Message& message,
                           int send_flags) {
  if ((send_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if (writes_shut_) return -EPIPE;
  std::shared_ptr<UnixDatagram> to = peer_.lock();
  if (!message.address.empty()) {
    std::shared_ptr<UnixSocket> other;
    if (const int64_t error = look_up(place, message.address, other); error < 0) return error;
    to = static_cast<UnixDatagram&>(other->socket()).self();
  } else if (!has_peer_) {
    return -ENOTCONN;
  }
  if (!to) return -ECONNREFUSED;
  if (to->reads_shut_) return -EPIPE;
  if (bytes.size() > MessageQueue::capacity) return -EMSGSIZE;
  if (to->queue_.free() == 0 || to->queue_.free() < bytes.size()) return -EAGAIN;
  Segment segment;
  segment.pid = message.sender;
  if (const int64_t error = pass(message, segment.passing); error < 0) return error;
  segment.sender = address_;  // empty for one without a name: recvfrom(2) then gives an address of no bytes
  segment.bytes.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  to->queue_.push(std::move(segment));
  return static_cast<int64_t>(bytes.size());
}

int64_t UnixDatagram::receive(std::span<std::byte> out, Message& message, int receive_flags) {
  if ((receive_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if (queue_.empty()) return reads_shut_ ? 0 : -EAGAIN;
  return queue_.take_message(out, message, (receive_flags & MSG_PEEK) != 0, (receive_flags & MSG_TRUNC) != 0);
}

int64_t UnixDatagram::name(Address& out) const {
  out = own_address();
  return 0;
}

int64_t UnixDatagram::peer(Address& out) const {
  const auto other = peer_.lock();
  if (!other) return -ENOTCONN;
  return other->name(out);
}

uint32_t UnixDatagram::poll() const {
  const auto to = peer_.lock();
  const bool room = !to || to->queue_.free() >= 2048;
  return (queue_.empty() && !reads_shut_ ? 0u : POLLIN | POLLRDNORM) | (room ? POLLOUT | POLLWRNORM : 0u);
}

uint64_t UnixDatagram::activity(uint32_t events) const {
  const auto to = peer_.lock();
  return ((events & POLLIN) != 0 ? queue_.pushed : 0) + ((events & POLLOUT) != 0 && to ? to->queue_.popped : 0);
}

}  // namespace shrike::sandbox::microvm

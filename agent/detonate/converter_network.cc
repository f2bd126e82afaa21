// Calls on sockets. The kernel's programs ask the socket itself; here it is what the calls before have made of it.

#include <sys/socket.h>

#include <cerrno>

#include "agent/detonate/addresses.h"
#include "agent/detonate/call_numbers.h"
#include "agent/detonate/converter.h"

namespace shrike::detonate {
namespace {

using sandbox::Call;
using sandbox::TextKind;

constexpr uint64_t type_bits = 0xf;
constexpr uint64_t dupfd = 0, dupfd_cloexec = 1030;

const std::string* address_of(const Call& call) {
  for (const auto& text : call.texts)
    if (text.kind == TextKind::address) return &text.text;
  return nullptr;
}

bool is_dup(uint32_t id, const Call& call) {
  switch (id) {
    case SHRIKE_CALL_dup:
    case SHRIKE_CALL_dup2:
    case SHRIKE_CALL_dup3:
      return true;
    case SHRIKE_CALL_fcntl:
    case SHRIKE_CALL_fcntl64:
      return call.args[1] == dupfd || call.args[1] == dupfd_cloexec;
    default:
      return false;
  }
}

EventKind kind_of(uint32_t id, const Call& call) {
  switch (id) {
    case SHRIKE_CALL_socket:
      return EventKind::socket;
    case SHRIKE_CALL_bind:
      return EventKind::bind;
    case SHRIKE_CALL_listen:
      return EventKind::listen;
    case SHRIKE_CALL_accept:
    case SHRIKE_CALL_accept4:
      return call.result == -EAGAIN ? EventKind::call : EventKind::accept;
    case SHRIKE_CALL_connect:
      return EventKind::connect;
    case SHRIKE_CALL_sendto:
    case SHRIKE_CALL_sendmsg:
    case SHRIKE_CALL_sendmmsg:
      return address_of(call) != nullptr ? EventKind::sendto : EventKind::call;
    default:
      return is_dup(id, call) && call.result >= 0 && call.result <= 2 ? EventKind::dup : EventKind::call;
  }
}

}  // namespace

void Converter::network(const Call& call, uint32_t id, Event& event, JobProcess& process) {
  event.kind = kind_of(id, call);
  socket_path_.clear();
  Descriptor made;
  Descriptor* known = process.descriptors.find(static_cast<int>(call.args[0]));
  if (event.kind == EventKind::socket) {
    made.socket.family = static_cast<uint16_t>(call.args[0]);
    made.socket.type = static_cast<uint16_t>(call.args[1] & type_bits);
    made.socket.protocol = static_cast<uint16_t>(call.args[2]);
    event.arg[3] = static_cast<uint64_t>(call.result);
  } else if (known != nullptr) {
    made = *known;
  }
  const bool has_address = event.kind == EventKind::bind || event.kind == EventKind::connect ||
                           event.kind == EventKind::sendto || event.kind == EventKind::accept;
  if (const std::string* address = address_of(call); address != nullptr && has_address)
    read_sockaddr(*address, event.kind == EventKind::bind, made.socket, made.socket_path);
  // Half of a reverse shell; of anything else than a socket no host tells either.
  if (event.kind == EventKind::dup) {
    if (made.socket.family == 0) {
      event.kind = EventKind::call;
      return;
    }
    event.arg[1] = static_cast<uint64_t>(call.result);
  }
  if (event.kind == EventKind::call) return;
  event.path = {};
  event.full_path = event.real_path = {};
  event.socket = made.socket;
  socket_path_ = made.socket_path;
  event.socket_path = socket_path_;
  // A connection that is still being made counts as made.
  const bool connected = event.kind == EventKind::connect && (call.result >= 0 || call.result == -EINPROGRESS);
  if (event.kind == EventKind::socket && call.result >= 0)
    process.descriptors.put(static_cast<int>(call.result), std::move(made));
  else if (event.kind == EventKind::accept && call.result >= 0)
    process.descriptors.put(static_cast<int>(call.result), std::move(made));
  else if (connected || (event.kind == EventKind::bind && call.result >= 0))
    process.descriptors.put(static_cast<int>(call.args[0]), std::move(made));
}

}  // namespace shrike::detonate

#include "agent/probe/decode.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "agent/probe/path.h"
#include "agent/probe/record.h"

namespace shrike::probe {
namespace {

// Room for one joined path: the two texts of a record and a slash between.
constexpr size_t path_room = SHRIKE_RECORD_MAX + 2;
constexpr size_t address_room = 112;  // a Unix socket's path has 108 bytes at most

constexpr bool known(uint16_t kind) {
  return (kind >= SHRIKE_FORK && kind <= SHRIKE_TASK) || (kind >= SHRIKE_OPEN && kind <= SHRIKE_CHROOT) ||
         (kind >= SHRIKE_SOCKET && kind <= SHRIKE_TCP_STATE) || (kind >= SHRIKE_SETID && kind <= SHRIKE_URING_OP) ||
         (kind >= SHRIKE_TOCTOU && kind <= SHRIKE_DENIED);
}

// Kinds whose PATH is a name or a file's content and must not be made a path.
constexpr bool path_is_name(uint16_t kind) {
  return kind == SHRIKE_MEMFD || kind == SHRIKE_PRCTL || kind == SHRIKE_MODULE_UNLOAD || kind == SHRIKE_KEYCTL ||
         kind == SHRIKE_DENIED;
}
constexpr bool is_process(uint16_t kind) {
  return kind == SHRIKE_EXEC || kind == SHRIKE_EXEC_FAILED || kind == SHRIKE_TASK;
}

Task task_of(const shrike_task& in) {
  Task out;
  out.tid = in.tid;
  out.pid = in.tgid;
  out.ppid = in.ppid;
  out.session = in.session;
  out.start_ns = in.start_ns;
  out.parent_start_ns = in.parent_start_ns;
  out.uid = in.uid;
  out.gid = in.gid;
  out.euid = in.euid;
  out.egid = in.egid;
  out.suid = in.suid;
  out.sgid = in.sgid;
  out.cap_effective = in.cap_effective;
  out.loginuid = in.loginuid;
  out.audit_session = in.audit_session;
  out.tty = in.tty;
  out.vpid = in.vpid;
  out.cgroup_id = in.cgroup_id;
  out.ns_mnt = in.ns_mnt;
  out.ns_pid = in.ns_pid;
  out.ns_net = in.ns_net;
  out.ns_user = in.ns_user;
  out.ns_uts = in.ns_uts;
  out.ns_ipc = in.ns_ipc;
  out.ns_cgroup = in.ns_cgroup;
  out.exe_dev = in.exe_dev;
  out.exe_inode = in.exe_inode;
  std::memcpy(out.comm.data(), in.comm, out.comm.size());
  return out;
}

Object object_of(const shrike_object& in) {
  return {.inode = in.inode,
          .ctime_ns = in.ctime_ns,
          .mtime_ns = in.mtime_ns,
          .device = in.device,
          .mode = in.mode,
          .uid = in.uid,
          .gid = in.gid,
          .links = in.links,
          .fs_magic = in.fs_magic};
}

constexpr uint16_t inet = 2;
constexpr uint16_t inet6 = 10;

// IPv4 addresses in an IPv6 socket (::ffff:a.b.c.d) become plain ones: a rule about an address must not be passed by
// with another kind of socket.
void unmap(Socket& socket) {
  constexpr std::array<uint8_t, 12> prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<uint8_t, 16> any = {};
  const auto mapped = [&](const auto& address) { return std::equal(prefix.begin(), prefix.end(), address.begin()); };
  const auto fits = [&](const auto& address) { return mapped(address) || address == any; };
  if (!mapped(socket.local) && !mapped(socket.remote)) return;
  if (!fits(socket.local) || !fits(socket.remote)) return;
  for (auto* address : {&socket.local, &socket.remote}) {
    std::copy(address->begin() + 12, address->end(), address->begin());
    std::fill(address->begin() + 4, address->end(), uint8_t{0});
  }
  socket.family = inet;
}

Socket socket_of(const shrike_socket& in) {
  Socket out;
  std::memcpy(out.local.data(), in.local, out.local.size());
  std::memcpy(out.remote.data(), in.remote, out.remote.size());
  out.family = in.family;
  out.type = in.type;
  out.protocol = in.protocol;
  out.local_port = in.local_port;
  out.remote_port = in.remote_port;
  out.state = in.state;
  out.old_state = in.old_state;
  if (out.family == inet6) unmap(out);
  return out;
}

Error wrong_text(int index, const shrike_span& span, uint32_t size) {
  return {"record: text " + std::to_string(index) + " at " + std::to_string(span.offset) + "+" +
          std::to_string(span.length) + " is not inside the record's " + std::to_string(size) + " bytes"};
}

// "127.0.0.1:80", "[::1]:80", or a Unix socket's path, '@' before an abstract one; written into `room`, address_room
// long.
std::string_view address_text(uint16_t family, const uint8_t* bytes, uint16_t port, std::string_view path, char* room) {
  char host[INET6_ADDRSTRLEN] = "";
  if (family == AF_UNIX) {
    const size_t length = path.substr(0, address_room).copy(room, address_room);
    if (length > 0 && room[0] == '\0') {
      room[0] = '@';
      return {room, length};
    }
    return std::string_view(room, length).substr(0, std::string_view(room, length).find('\0'));
  }
  if (family != AF_INET && family != AF_INET6) return {};
  ::inet_ntop(family, bytes, host, sizeof host);
  const int n = std::snprintf(room, address_room, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, unsigned{port});
  return {room, static_cast<size_t>(n)};
}

}  // namespace

Decoder::Decoder(int64_t wall_offset_ns)
    : wall_offset_ns_(wall_offset_ns), scratch_(std::make_unique<char[]>(2 * path_room)) {}

Result<void> Decoder::decode(std::span<const std::byte> record, Event& event) {
  // All checks of bounds are here; below, every span is inside the record.
  if (record.size() < sizeof(shrike_record) || record.size() > SHRIKE_RECORD_MAX)
    return Error{"record: " + std::to_string(record.size()) + " bytes, must be " +
                 std::to_string(sizeof(shrike_record)) + " to " + std::to_string(SHRIKE_RECORD_MAX)};
  shrike_record r;  // a copy: the bytes of a capture need not be aligned
  std::memcpy(&r, record.data(), sizeof r);
  if (r.size != record.size())
    return Error{"record: says it has " + std::to_string(r.size) + " bytes, has " + std::to_string(record.size())};
  if (!known(r.kind)) return Error{"record: unknown kind " + std::to_string(r.kind)};
  std::string_view text[SHRIKE_SPANS];
  for (int i = 0; i < SHRIKE_SPANS; ++i) {
    const shrike_span& span = r.span[i];
    if (span.length == 0) continue;
    if (span.offset < sizeof r || static_cast<uint32_t>(span.offset) + span.length > r.size)
      return wrong_text(i, span, r.size);
    text[i] = {reinterpret_cast<const char*>(record.data()) + span.offset, span.length};
  }
  const auto given = [&](int i) {
    return Text{text[i], (r.span[i].flags & SHRIKE_SPAN_TRUNCATED) != 0, (r.span[i].flags & SHRIKE_SPAN_FAULT) != 0};
  };
  const auto absolute = [&](int path, int base, size_t room) -> std::string_view {
    if ((r.span[path].flags & SHRIKE_SPAN_FAULT) != 0) return {};
    // An empty path names its base, but only for calls that accept it. Where the object is known, it was the object.
    if (text[path].empty() && r.result < 0 && (path != SHRIKE_S_PATH || text[SHRIKE_S_REAL].empty())) return {};
    return absolute_path(text[base], text[path], {scratch_.get() + room * path_room, path_room});
  };

  event = Event{};
  event.kind = static_cast<EventKind>(r.kind);
  event.flags = r.flags;
  event.syscall = r.syscall;
  event.cpu = r.cpu;
  event.boot_ns = r.boot_ns;
  event.time_ns = r.boot_ns + static_cast<uint64_t>(wall_offset_ns_);
  event.result = r.result;
  std::memcpy(event.arg.data(), r.arg, sizeof r.arg);
  event.task = task_of(r.task);
  event.object = object_of(r.object);
  event.socket = socket_of(r.socket);
  event.path = given(SHRIKE_S_PATH);
  event.path2 = given(SHRIKE_S_PATH2);
  event.real_path = text[SHRIKE_S_REAL];
  if (!path_is_name(r.kind)) event.full_path = absolute(SHRIKE_S_PATH, SHRIKE_S_BASE, 0);
  if (is_process(r.kind)) {
    event.cwd = text[SHRIKE_S_BASE];
  } else if (r.kind == SHRIKE_TOCTOU) {
    event.path_at_exit = text[SHRIKE_S_BASE2];
    if (r.socket.family != 0) {
      char* room = scratch_.get() + path_room;
      event.path.text = address_text(r.socket.family, r.socket.local, r.socket.local_port, event.path.text, room);
      event.path_at_exit = address_text(r.socket.protocol, r.socket.remote, r.socket.remote_port, event.path_at_exit,
                                        room + address_room);
      event.full_path = {};
      event.socket = {};
    }
  } else if (r.socket.family != 0) {
    event.socket_path = text[SHRIKE_S_BASE2];
  } else {
    event.full_path2 = absolute(SHRIKE_S_PATH2, SHRIKE_S_BASE2, 1);
  }
  return {};
}

}  // namespace shrike::probe

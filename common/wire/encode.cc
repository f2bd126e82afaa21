// Events to EventMessage bytes: the hot path, written by hand. The generated classes read it back in the tests.

#include <bit>
#include <cstring>

#include "common/wire/codec.h"
#include "common/wire/protobuf.h"

namespace shrike {
namespace {
using proto::bytes_room;
using proto::put_bytes;
using proto::put_number;
using proto::put_tag;
using proto::put_varint;
using proto::WireType;

// Bounds of what is written besides text; each number field takes at most 2 + 10 bytes.
constexpr size_t number_room = 12;
constexpr size_t task_room = 24 * number_room + 7 * 5 + 16;
constexpr size_t object_room = 9 * number_room;
constexpr size_t socket_room = 9 * number_room + 2 * 16;
constexpr size_t event_room = 8 * number_room + 6 * 10 + task_room + object_room + socket_room;

uint64_t zigzag(int64_t value) { return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63); }

/// Writes a message field: `body` puts its fields at the address it gets and returns their end. `room` is the most it
/// can take, from which the length of the length follows.
template <size_t room, class Body>
char* put_message(char* at, uint32_t field, Body body) {
  constexpr size_t length_bytes = room < 128 ? 1 : room < 16384 ? 2 : 3;
  at = put_tag(at, field, WireType::bytes);
  char* const start = at + length_bytes;
  const auto size = static_cast<size_t>(body(start) - start);
  char* const after = put_varint(at, size);
  if (after != start) std::memmove(after, start, size);
  return after + size;
}

bool tells_whole_task(EventKind kind) {
  switch (kind) {
    case EventKind::fork:
    case EventKind::exec:
    case EventKind::task:
    case EventKind::setid:
    case EventKind::capset:
    case EventKind::setns:
    case EventKind::unshare:
      return true;
    default:
      return false;
  }
}

char* put_task(char* at, const Event& event, bool whole, std::string_view container) {
  const Task& task = event.task;
  at = put_number(at, 1, task.tid);
  at = put_number(at, 2, task.pid);
  if (whole) {
    at = put_number(at, 3, task.ppid);
    at = put_number(at, 4, task.session);
  }
  at = put_number(at, 5, task.start_ns);
  if (whole) at = put_number(at, 6, task.parent_start_ns);
  at = put_number(at, 7, task.uid);
  at = put_number(at, 8, task.gid);
  at = put_number(at, 9, task.euid);
  if (whole) {
    at = put_number(at, 10, task.egid);
    at = put_number(at, 11, task.suid);
    at = put_number(at, 12, task.sgid);
  }
  at = put_number(at, 13, task.cap_effective);
  if (whole) {
    // Plus one, in 32 bits: unset, the most frequent value, becomes zero and is left out.
    at = put_number(at, 14, task.loginuid + 1);
    at = put_number(at, 15, task.audit_session + 1);
    at = put_number(at, 16, task.tty);
    at = put_number(at, 17, task.vpid);
    at = put_number(at, 18, task.cgroup_id);
    at = put_message<7 * 5>(at, 19, [&](char* to) {
      for (const uint32_t ns :
           {task.ns_mnt, task.ns_pid, task.ns_net, task.ns_user, task.ns_uts, task.ns_ipc, task.ns_cgroup})
        to = put_varint(to, ns);
      return to;
    });
  }
  at = put_bytes(at, 20, task.name());
  if (whole) {
    at = put_number(at, 21, task.exe_dev);
    at = put_number(at, 22, task.exe_inode);
  }
  return put_bytes(at, 23, container);
}

char* put_object(char* at, const Object& object) {
  at = put_number(at, 1, object.inode);
  at = put_number(at, 2, object.device);
  at = put_number(at, 3, object.mode);
  at = put_number(at, 4, object.uid);
  at = put_number(at, 5, object.gid);
  at = put_number(at, 6, object.links);
  at = put_number(at, 7, object.fs_magic);
  at = put_number(at, 8, object.ctime_ns);
  return put_number(at, 9, object.mtime_ns);
}

std::string_view address(const std::array<uint8_t, 16>& bytes, uint16_t family) {
  constexpr uint16_t af_inet = 2;
  constexpr uint16_t af_inet6 = 10;
  const size_t size = family == af_inet ? 4 : family == af_inet6 ? 16 : 0;
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

char* put_socket(char* at, const Event& event) {
  const Socket& socket = event.socket;
  at = put_number(at, 1, socket.family);
  at = put_number(at, 2, socket.type);
  at = put_number(at, 3, socket.protocol);
  at = put_bytes(at, 4, address(socket.local, socket.family));
  at = put_number(at, 5, socket.local_port);
  at = put_bytes(at, 6, address(socket.remote, socket.family));
  at = put_number(at, 7, socket.remote_port);
  at = put_bytes(at, 8, event.socket_path);
  at = put_number(at, 9, socket.state);
  return put_number(at, 10, socket.old_state);
}

char* put_arguments(char* at, const std::array<uint64_t, 6>& arg) {
  size_t count = arg.size();
  while (count > 0 && arg[count - 1] == 0) --count;
  if (count == 0) return at;
  return put_message<6 * 10>(at, 6, [&](char* to) {
    for (size_t i = 0; i < count; ++i) to = put_varint(to, arg[i]);
    return to;
  });
}

bool has_object(const Object& o) {
  return (o.inode | o.device | o.mode | o.uid | o.gid | o.links | o.fs_magic | o.ctime_ns | o.mtime_ns) != 0;
}

char* put_event(char* at, const Event& event, bool whole, std::string_view container) {
  at = put_number(at, 1, static_cast<uint32_t>(event.kind));
  at = put_number(at, 2, event.flags);
  at = put_number(at, 3, event.time_ns);
  at = put_number(at, 4, zigzag(event.result));
  at = put_number(at, 5, static_cast<uint64_t>(int64_t{event.syscall} + 1));
  at = put_arguments(at, event.arg);
  at = whole || !container.empty()
           ? put_message<16384>(at, 7, [&](char* to) { return put_task(to, event, whole, container); })
           : put_message<127>(at, 7, [&](char* to) { return put_task(to, event, false, {}); });
  at = put_bytes(at, 8, event.path.text);
  at = put_bytes(at, 9, event.path2.text);
  // Most opened files are where their path says; saying so once saves a block of hashing and a fifth of the bytes.
  const bool really =
      !event.real_path.empty() && event.real_path == (event.full_path.empty() ? event.path.text : event.full_path);
  if (!really) at = put_bytes(at, 10, event.real_path);
  if (event.full_path != event.path.text) at = put_bytes(at, 11, event.full_path);
  if (event.full_path2 != event.path2.text) at = put_bytes(at, 12, event.full_path2);
  at = put_bytes(at, 13, event.cwd);
  at = put_bytes(at, 14, event.path_at_exit);
  if (has_object(event.object))
    at = put_message<object_room>(at, 15, [&](char* to) { return put_object(to, event.object); });
  if (event.socket.family != 0) at = put_message<(1u << 20)>(at, 16, [&](char* to) { return put_socket(to, event); });
  const uint32_t text_flags = uint32_t{event.path.truncated} | uint32_t{event.path.fault} << 1 |
                              uint32_t{event.path2.truncated} << 2 | uint32_t{event.path2.fault} << 3 |
                              uint32_t{really} << 4;
  at = put_number(at, 17, text_flags);
  return put_bytes(at, 19, event.detail);
}

size_t text_bytes(const Event& event) {
  size_t size = 0;
  for (const std::string_view text : {event.path.text, event.path2.text, event.real_path, event.full_path,
                                      event.full_path2, event.cwd, event.path_at_exit, event.socket_path, event.detail})
    size += bytes_room(text.size());
  return size;
}
}  // namespace

void encode_event(const Event& event, std::string& out) {
  constexpr size_t stack_bytes = 4096;
  const bool whole = tells_whole_task(event.kind);
  std::string_view container;
  if ((whole || (event.flags & flag_sandbox) != 0) && event.process != nullptr && event.process->container != nullptr)
    container = event.process->container->id;
  const size_t room = event_room + text_bytes(event) + bytes_room(container.size());
  if (room <= stack_bytes) {
    // Growing a string sets what it grows by to zeros, so most events are put together beside it.
    char buffer[stack_bytes];
    const char* const end = put_event(buffer, event, whole, container);
    out.append(buffer, static_cast<size_t>(end - buffer));
    return;
  }
  const size_t before = out.size();
  out.resize(before + room);
  const char* const end = put_event(out.data() + before, event, whole, container);
  out.resize(static_cast<size_t>(end - out.data()));
}

}  // namespace shrike

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "common/wire/filter.h"
#include "scoring/rules/engine.h"
#include "scoring/rules/field.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {
namespace {

using K = EventKind;
constexpr uint16_t family_unix = 1, family_inet = 2, family_netlink = 16, family_inet6 = 10;
constexpr KindSet files = KindSet{K::open} | kinds::changes;
constexpr KindSet descriptors = files | kinds::socket | KindSet{K::memfd};
constexpr KindSet paths = kinds::file | KindSet{K::toctou};
constexpr KindSet named_files = KindSet::range(K::open, K::setxattr);
constexpr KindSet objects = paths | KindSet{K::module_load};

std::string_view given_path(const Event& event) {
  return event.full_path.empty() && event.path.text.empty() ? event.real_path : event.full_path;
}
std::string_view directory_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}
std::string_view last_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_ip(const Socket& socket) { return socket.family == family_inet || socket.family == family_inet6; }
// Who called whom: an accepted or listening socket is the server's end, any other the client's.
bool is_server(const Event& event) {
  constexpr uint16_t syn_received = 3, listening = 10;
  return event.kind == K::accept || event.kind == K::listen || event.kind == K::bind ||
         (event.kind == K::tcp_state && (event.socket.old_state == syn_received || event.socket.state == listening));
}
std::string_view address(const Socket& socket, bool local) {
  const auto& bytes = local ? socket.local : socket.remote;
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (socket.family == family_inet) return all.substr(0, 4);
  constexpr std::string_view mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  return all.substr(0, 12) == mapped ? all.substr(12) : all;
}
int64_t port(const Socket& socket, bool local) { return local ? socket.local_port : socket.remote_port; }

template <bool server>
void end_address(const Context& c, int, Values& out) {
  if (is_ip(c.event.socket)) out.text(address(c.event.socket, is_server(c.event) == server));
}
template <bool local>
void side_address(const Context& c, int, Values& out) {
  if (is_ip(c.event.socket)) out.text(address(c.event.socket, local));
}
void both_addresses(const Context& c, int, Values& out) {
  side_address<true>(c, 0, out);
  side_address<false>(c, 0, out);
}
template <bool server>
void end_port(const Context& c, int, Values& out) {
  if (is_ip(c.event.socket)) out.number(port(c.event.socket, is_server(c.event) == server));
}
template <bool local>
void side_port(const Context& c, int, Values& out) {
  if (is_ip(c.event.socket)) out.number(port(c.event.socket, local));
}
void both_ports(const Context& c, int, Values& out) {
  side_port<true>(c, 0, out);
  side_port<false>(c, 0, out);
}

std::string_view print_end(const Socket& socket, bool local, char* room, size_t size) {
  const std::string_view bytes = address(socket, local);
  if (inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), room, static_cast<socklen_t>(size)) == nullptr)
    return {};
  return room;
}

// "client:port->server:port"; one end only for a socket without the other.
std::string_view tuple(const Context& c) {
  const Socket& socket = c.event.socket;
  char room[2][INET6_ADDRSTRLEN];
  const bool server = is_server(c.event);
  char* const out = c.arena.take(160);
  size_t used = 0;
  const auto add = [&](std::string_view text) {
    std::copy(text.begin(), text.end(), out + used);
    used += text.size();
  };
  for (int end = 0; end < 2; ++end) {
    const bool local = (end == 0) != server;
    if (!local && socket.remote_port == 0) continue;
    if (used != 0) add("->");
    add(print_end(socket, local, room[end], sizeof room[end]));
    add(":");
    add(c.arena.decimal(port(socket, local)));
  }
  return {out, used};
}

void name(const Context& c, int, Values& out) {
  if (c.event.kind == K::memfd) return out.known(c.event.path.text);
  if (!kinds::socket.has(c.event.kind)) return out.known(given_path(c.event));
  if (is_ip(c.event.socket)) return out.text(tuple(c));
  if (c.event.socket.family == family_unix) out.known(c.event.socket_path);
}

void number(const Context& c, int, Values& out) {
  switch (c.event.kind) {
    case K::open:
    case K::accept:
    case K::memfd:
      return out.number(c.event.result >= 0 ? c.event.result : -1);
    case K::socket:
      return out.number(c.event.result >= 0 ? static_cast<int64_t>(c.event.arg[3]) : -1);
    case K::dup:
      return out.number(c.event.result);
    case K::bind:
    case K::listen:
    case K::connect:
    case K::sendto:
      return out.number(static_cast<int64_t>(static_cast<int32_t>(c.event.arg[0])));
    default:
      return;
  }
}

void type(const Context& c, int, Values& out) {
  if (c.event.kind == K::memfd) return out.text("memfd");
  if (!kinds::socket.has(c.event.kind))
    return out.text(S_ISDIR(c.event.object.mode) && !failed(c.event) ? "directory" : "file");
  switch (c.event.socket.family) {
    case family_inet:
      return out.text("ipv4");
    case family_inet6:
      return out.text("ipv6");
    case family_unix:
      return out.text("unix");
    case family_netlink:
      return out.text("netlink");
    default:
      return;
  }
}
void type_character(const Context& c, int, Values& out) {
  if (c.event.kind == K::memfd) return out.text("m");
  if (!kinds::socket.has(c.event.kind)) return out.text(S_ISDIR(c.event.object.mode) && !failed(c.event) ? "d" : "f");
  switch (c.event.socket.family) {
    case family_inet:
      return out.text("4");
    case family_inet6:
      return out.text("6");
    case family_unix:
      return out.text("u");
    case family_netlink:
      return out.text("n");
    default:
      return;
  }
}

void protocol(const Context& c, int, Values& out) {
  const Socket& socket = c.event.socket;
  if (!is_ip(socket)) return;
  if (c.event.kind == K::tcp_state) return out.text("tcp");
  switch (socket.protocol) {
    case 6:
      return out.text("tcp");
    case 17:
      return out.text("udp");
    case 1:
    case 58:
      return out.text("icmp");
    default:
      break;
  }
  switch (socket.type & 0xf) {
    case 1:
      return out.text("tcp");
    case 2:
      return out.text("udp");
    case 3:
      return out.text("raw");
    default:
      return;
  }
}

void real_path(const Context& c, int, Values& out) { out.known(c.event.real_path); }
void whole_path(const Context& c, int, Values& out) { out.known(given_path(c.event)); }

// Falco's words: a link's source is the new name, its target what it points at; rename and mount go from source to
// target.
bool link_like(K kind) { return kind == K::link || kind == K::symlink; }
std::string_view symlink_target(const Event& event) {
  return event.path.text.starts_with('/') ? event.full_path : event.path.text;
}
std::string_view first_path(const Event& event) {
  return event.kind == K::symlink ? symlink_target(event) : event.full_path;
}
void source_path(const Context& c, int, Values& out) {
  out.known(link_like(c.event.kind) ? c.event.full_path2 : first_path(c.event));
}
void target_path(const Context& c, int, Values& out) {
  out.known(link_like(c.event.kind) ? first_path(c.event) : c.event.full_path2);
}

void new_path(const Context& c, int, Values& out) { out.known(c.event.full_path2); }

// One field for outputs of rules over writing and renaming alike.
void changed_path(const Context& c, int, Values& out) {
  const bool two = c.event.kind == K::rename || link_like(c.event.kind);
  if (two && !c.event.full_path2.empty()) return out.text(c.event.full_path2);
  out.known(c.event.real_path.empty() ? given_path(c.event) : c.event.real_path);
}

enum class End : uint8_t { server, client, local, remote };
// The names that are known for an end's address.
template <End end>
void host_names(const Context& c, int, Values& out) {
  if (c.hosts == nullptr || !is_ip(c.event.socket)) return;
  const bool local = end == End::local || (end != End::remote && is_server(c.event) == (end == End::server));
  const auto at = c.hosts->names.find(address(c.event.socket, local));
  if (at == c.hosts->names.end()) return;
  for (const std::string& name : at->second) out.text(name);
}

std::string_view given_directory(const Event& event) { return directory_of(given_path(event)); }
template <std::string_view (*path)(const Event&)>
void in_container(const Context& c, int, Values& out) {
  const std::string_view id = container_id(c.process), text = path(c.event);
  if (text.empty()) return;
  char* const room = c.arena.take(id.size() + 1 + text.size());
  char* at = std::copy(id.begin(), id.end(), room);
  *at++ = ':';
  std::copy(text.begin(), text.end(), at);
  out.text({room, id.size() + 1 + text.size()});
}

constexpr auto fields = std::to_array<Field>({
    {"fd.num", Type::number, {K::open, K::accept, K::memfd, K::socket, K::dup, K::bind, K::listen, K::connect, K::sendto},
     number, "descriptor; -1 for a failed open"},
    {"fd.type", Type::text, descriptors, type, "file, directory, ipv4, ipv6, unix, netlink, memfd"},
    {"fd.typechar", Type::text, descriptors, type_character, "f, d, 4, 6, u, n, m; f for a failed open"},
    {"fd.name", Type::text, descriptors, name,
     "file: path as given, made absolute, normalised as text only; socket: client:port->server:port, or its path", {},
     PathPart::whole, false, 2},
    {"fd.realpath", Type::text, objects, real_path,
     "ours: path of the object that the kernel really used, links followed; missing for a failed open", {},
     PathPart::whole},
    {"fd.object", Type::text, named_files,
     [](const Context& c, int, Values& out) { object_names(c, event_object_sets(c.event), out); },
     "ours: sets of objects that the file is in, found by device and inode; a condition also asks for their paths"},
    {"fd.nameraw", Type::text, files, [](const Context& c, int, Values& out) { out.known(c.event.path.text); },
     "path exactly as given", {}, PathPart::whole},
    {"fd.directory", Type::text, files,
     [](const Context& c, int, Values& out) { out.known(directory_of(given_path(c.event))); },
     "fd.name without its last part", {}, PathPart::directory},
    {"fd.filename", Type::text, files, [](const Context& c, int, Values& out) { out.known(last_of(given_path(c.event))); },
     "last part of fd.name", {}, PathPart::last},
    {"fd.realdirectory", Type::text, objects,
     [](const Context& c, int, Values& out) { out.known(directory_of(c.event.real_path)); },
     "ours: fd.realpath without its last part", {}, PathPart::directory},
    {"fd.realfilename", Type::text, objects,
     [](const Context& c, int, Values& out) { out.known(last_of(c.event.real_path)); }, "ours: last part of fd.realpath",
     {}, PathPart::last},
    {"fd.ino", Type::number, files, [](const Context& c, int, Values& out) { out.number(c.event.object.inode); },
     "inode"},
    {"fd.dev", Type::number, files, [](const Context& c, int, Values& out) { out.number(c.event.object.device); },
     "device, major << 20 | minor"},
    {"fd.uid", Type::number, files, [](const Context& c, int, Values& out) { out.number(c.event.object.uid); },
     "ours: owner of the file"},
    {"fd.mode", Type::text, files,
     [](const Context& c, int, Values& out) { out.text(mode_bits(c.arena, c.event.object.mode)); },
     "ours: permissions of the file, S_ISUID|S_IRUSR|...", {}, {}, false, 4},
    {"fd.links", Type::number, files, [](const Context& c, int, Values& out) { out.number(c.event.object.links); },
     "ours: names the file has"},
    {"fd.ip", Type::address, kinds::socket, both_addresses, "either end's address", {}, {}, true},
    {"fd.cip", Type::address, kinds::socket, end_address<false>, "client's address"},
    {"fd.sip", Type::address, kinds::socket, end_address<true>, "server's address"},
    {"fd.lip", Type::address, kinds::socket, side_address<true>, "local address"},
    {"fd.rip", Type::address, kinds::socket, side_address<false>, "remote address"},
    {"fd.net", Type::address, kinds::socket, both_addresses, "either end's address against networks", {}, {}, true},
    {"fd.cnet", Type::address, kinds::socket, end_address<false>, "client's address against networks"},
    {"fd.snet", Type::address, kinds::socket, end_address<true>, "server's address against networks"},
    {"fd.lnet", Type::address, kinds::socket, side_address<true>, "local address against networks"},
    {"fd.rnet", Type::address, kinds::socket, side_address<false>, "remote address against networks"},
    {"fd.port", Type::number, kinds::socket, both_ports, "either end's port", {}, {}, true},
    {"fd.cport", Type::number, kinds::socket, end_port<false>, "client's port"},
    {"fd.sport", Type::number, kinds::socket, end_port<true>, "server's port"},
    {"fd.lport", Type::number, kinds::socket, side_port<true>, "local port"},
    {"fd.rport", Type::number, kinds::socket, side_port<false>, "remote port"},
    {"fd.l4proto", Type::text, kinds::socket, protocol, "tcp, udp, icmp, raw"},
    {"fd.sockfamily", Type::text, kinds::socket,
     [](const Context& c, int, Values& out) {
       if (is_ip(c.event.socket)) return out.text("ip");
       if (c.event.socket.family == family_unix) out.text("unix");
     },
     "ip or unix"},
    {"fd.is_server", Type::boolean, kinds::socket,
     [](const Context& c, int, Values& out) { out.boolean(is_server(c.event)); }, "this process owns the server's end"},
    {"fd.connected", Type::boolean, kinds::socket,
     [](const Context& c, int, Values& out) {
       out.boolean(c.event.kind != K::sendto && c.event.result >= 0 && c.event.socket.remote_port != 0);
     },
     "the socket is connected; false for datagrams sent to an address"},
    {"fd.name_changed", Type::boolean, kinds::socket,
     [](const Context& c, int, Values& out) { out.boolean(c.event.kind == K::sendto || c.event.kind == K::connect); },
     "the call gave the socket a new remote end"},
    {"fd.sip.name", Type::text, kinds::socket, host_names<End::server>,
     "names of the server, of those that rules ask for and the agent has resolved", {}, {}, false, 2},
    {"fd.cip.name", Type::text, kinds::socket, host_names<End::client>, "the same of the client", {}, {}, false, 2},
    {"fd.lip.name", Type::text, kinds::socket, host_names<End::local>, "the same of the local end", {}, {}, false,
     2},
    {"fd.rip.name", Type::text, kinds::socket, host_names<End::remote>, "the same of the remote end", {}, {},
     false, 2},
    {"fd.dev.major", Type::number, files,
     [](const Context& c, int, Values& out) { out.number(c.event.object.device >> 20); }, "device's major number"},
    {"fd.dev.minor", Type::number, files,
     [](const Context& c, int, Values& out) { out.number(c.event.object.device & 0xfffff); }, "device's minor number"},
    {"fd.containername", Type::text, files, in_container<given_path>, "container.id, a colon and fd.name", {}, {}, false,
     3},
    {"fd.containerdirectory", Type::text, files, in_container<given_directory>,
     "container.id, a colon and fd.directory", {}, {}, false, 3},
    {"evt.abspath", Type::text, paths, whole_path, "path the call works on", {}, PathPart::whole},
    {"fs.path.sourceraw", Type::text, kinds::two_paths,
     [](const Context& c, int, Values& out) { out.known(link_like(c.event.kind) ? c.event.path2.text : c.event.path.text); },
     "fs.path.source exactly as given"},
    {"fs.path.targetraw", Type::text, kinds::two_paths,
     [](const Context& c, int, Values& out) { out.known(link_like(c.event.kind) ? c.event.path.text : c.event.path2.text); },
     "fs.path.target exactly as given"},
    {"fs.path.name", Type::text, paths, whole_path, "path the call works on", {}, PathPart::whole},
    {"fs.path.nameraw", Type::text, paths, [](const Context& c, int, Values& out) { out.known(c.event.path.text); },
     "the same exactly as given", {}, PathPart::whole},
    {"fs.path.source", Type::text, kinds::two_paths, source_path,
     "rename, mount: from; link, symlink: the new name", {}, PathPart::whole},
    {"fs.path.target", Type::text, kinds::two_paths, target_path,
     "rename, mount: to; link, symlink: what it points at", {}, PathPart::whole},
    {"fs.path.new", Type::text, {K::rename, K::link, K::symlink}, new_path,
     "ours: the name that the call makes", {}, PathPart::whole},
    {"fs.path.changed", Type::text, paths, changed_path,
     "ours, for outputs: fs.path.new where a call makes a name, else fd.realpath, else the path as given", {},
     PathPart::whole},
    {"fs.is_own_exe", Type::boolean, paths,
     [](const Context& c, int, Values& out) {
       if (c.process == nullptr || c.process->exe.empty()) return;
       out.boolean(c.event.real_path == c.process->exe || c.event.full_path == c.process->exe);
     },
     "ours: the path is that of the process's own executable", {}, {}, false, 2},
});

}  // namespace

void object_names(const Context& context, uint32_t sets, Values& out) {
  if (context.objects == nullptr) return;
  for (size_t bit = 0; sets != 0 && bit < context.objects->size(); ++bit, sets >>= 1)
    if ((sets & 1) != 0) out.text((*context.objects)[bit]);
}

std::span<const Field> descriptor_fields() { return fields; }

}  // namespace shrike::scoring

#include "sandbox/summary.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sandbox/policy.h"
#include "sandbox/sink_name.h"

namespace shrike::sandbox {

namespace {

constexpr size_t sockets_max = 65'536;
constexpr size_t first_bytes_max = 1024;

const std::string* text_of(const Call& call, TextKind kind) {
  const auto found =
      std::find_if(call.texts.begin(), call.texts.end(), [&](const CallText& text) { return text.kind == kind; });
  return found == call.texts.end() ? nullptr : &found->text;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty() && all.size() < 256) {
    const auto word = text.substr(0, text.find('\0'));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    all.emplace_back(word);
  }
  return all;
}

bool in_own_folder(std::string_view path) {
  static constexpr std::string_view folders[] = {"/tmp/", "/var/", "/root/", "/home/", "/job/", "/opt/", "/srv/"};
  return std::any_of(std::begin(folders), std::end(folders), [&](auto folder) { return path.starts_with(folder); });
}

bool is_memory_file(std::string_view exe) { return exe.starts_with("memfd:") || exe.starts_with("/memfd:"); }

}  // namespace

std::optional<std::string> sockaddr_text(std::string_view bytes) {
  sa_family_t family = AF_UNSPEC;
  if (bytes.size() < sizeof family) return std::nullopt;
  std::memcpy(&family, bytes.data(), sizeof family);
  char text[INET6_ADDRSTRLEN] = "";
  if (family == AF_INET && bytes.size() >= sizeof(sockaddr_in)) {
    sockaddr_in address{};
    std::memcpy(&address, bytes.data(), sizeof address);
    ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(address.sin_port));
  }
  // The scope at its end may be missing (SIN6_LEN_RFC2133).
  if (family == AF_INET6 && bytes.size() >= 24) {
    sockaddr_in6 address{};
    std::memcpy(&address, bytes.data(), std::min(bytes.size(), sizeof address));
    ::inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(address.sin6_port));
  }
  if (family == AF_UNIX && bytes.size() > offsetof(sockaddr_un, sun_path)) {
    auto path = bytes.substr(offsetof(sockaddr_un, sun_path), sizeof(sockaddr_un::sun_path));
    if (path.front() == '\0') return "@" + std::string(path.substr(1));
    return std::string(path.substr(0, path.find('\0')));
  }
  return std::nullopt;
}

void Summary::call(const Call& call) {
  switch (call.kind) {
    case CallKind::call:
      count(call);
      break;
    case CallKind::start:
      began(call);
      break;
    case CallKind::exec:
      return executed(call);
    case CallKind::exit:
      if (GuestProcess* p = call.args[1] == 1 ? process(call.pid) : nullptr; p != nullptr) {
        p->wait_status = static_cast<int32_t>(call.args[0]);
        p->end_ns = call.time_ns - std::min(call.time_ns, start_ns_);
        // Its number may come again.
        by_pid_.erase(call.pid);
      }
      break;
    case CallKind::signal:
      break;
  }
  next_.call(call);
}

void Summary::count(const Call& call) {
  ++calls_;
  if (GuestProcess* p = process(call.pid)) ++p->calls;
  if ((call.flags & call_unknown) != 0) ++unknown_;
  if ((call.flags & call_denied) != 0) ++denied_;
  if ((call.flags & (call_denied | call_unknown)) != 0) {
    const auto verdict = (call.flags & call_denied) != 0 ? Verdict::refuse : Verdict::unknown;
    const std::string what = refused_call(call.abi, call.number, call.args);
    if (verdict == Verdict::refuse && first_refusal_.empty()) first_refusal_ = what;
    refused(what, refused_reason(call.abi, call.number, call.args, verdict));
    return;
  }
  outside(call);
  if (call.abi == CallAbi::x86_64 && call.number == SYS_socket && call.result >= 0 && datagrams_.size() < sockets_max) {
    // Its number may have been another's before.
    const auto key = std::pair(call.pid, static_cast<int32_t>(call.result));
    (call.args[1] & 0xf) == SOCK_DGRAM ? void(datagrams_.insert(key)) : void(datagrams_.erase(key));
  }
  if (call.abi == CallAbi::x86_64 && (call.number == SYS_connect || call.number == SYS_sendto)) connected(call);
}

/// What the kernel refused because it is not the program's: read-only, or nobody's but the sandbox's own.
void Summary::outside(const Call& call) {
  const bool error =
      call.result == -EACCES || call.result == -EROFS || call.result == -EPERM || call.result == -ETXTBSY;
  const std::string* path = text_of(call, TextKind::full_path2);
  if (path == nullptr) path = text_of(call, TextKind::full_path);
  // Our init is not to be found there at all, but looking for it means something.
  const bool init = call.result < 0 && path != nullptr && path->starts_with("/proc/1/");
  // A mode of its own making: what it may not execute, it may change. A device it may make nowhere.
  const bool makes = call.number == SYS_mknod || call.number == SYS_mknodat;
  if (call.result == -EACCES && !makes && path != nullptr && in_own_folder(*path)) return;
  if (path != nullptr && (error || init))
    refused(call_name(call.abi, call.number) + "(" + path->substr(0, 256) + ")",
            call.result == -ETXTBSY ? "a running program" : "outside its files");
}

void Summary::refused(const std::string& call, const std::string& reason) {
  const auto key = std::pair(call, reason);
  if (refusals_.size() < report_list_max || refusals_.contains(key))
    ++refusals_[key];
  else
    ++refusals_dropped_;
}

GuestProcess* Summary::process(uint32_t pid) {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : &processes_[found->second];
}

void Summary::began(const Call& call) {
  if (call.tid != call.pid) return;  // a thread
  if (processes_.size() >= report_list_max) {
    ++processes_dropped_;
    return;
  }
  GuestProcess p;
  p.pid = call.pid;
  p.parent = static_cast<uint32_t>(call.args[0]);
  p.start_ns = call.time_ns - std::min(call.time_ns, start_ns_);
  if (const GuestProcess* parent = process(p.parent)) {
    p.exe = parent->exe;
    p.argv = parent->argv;
  }
  by_pid_[p.pid] = processes_.size();
  processes_.push_back(std::move(p));
}

void Summary::executed(const Call& given) {
  Call call = given;
  if (!program_.empty()) {
    for (auto& text : call.texts)
      if (text.kind == TextKind::exe && is_memory_file(text.text)) text.text = program_;
    program_.clear();
  }
  if (GuestProcess* p = process(call.pid)) {
    if (const auto* exe = text_of(call, TextKind::exe)) p->exe = exe->substr(0, report_text_max);
    if (const auto* argv = text_of(call, TextKind::argv)) p->argv = words(*argv);
  }
  next_.call(call);
}

Connection* Summary::connection(const std::string& protocol, const std::string& address, const std::string& name) {
  const std::string key = protocol + " " + address + (name.empty() ? "" : " " + name);
  if (const auto found = by_address_.find(key); found != by_address_.end()) return &connections_[found->second];
  if (connections_.size() >= report_list_max) {
    ++connections_dropped_;
    return nullptr;
  }
  by_address_[key] = connections_.size();
  connections_.emplace_back();
  connections_.back().protocol = protocol;
  connections_.back().address = address;
  return &connections_.back();
}

void Summary::connected(const Call& call) {
  const auto* bytes = text_of(call, TextKind::address);
  const auto address = bytes == nullptr ? std::nullopt : sockaddr_text(*bytes);
  if (!address || address->empty()) return;
  const bool local = address->front() == '/' || address->front() == '@';
  // Not a connection but a question which address it would have: how resolvers sort answers.
  if (!local && address->ends_with(":0")) return;
  // Asked by every program that looks up a user or a host, and nowhere there.
  if (*address == "/var/run/nscd/socket") return;
  const bool datagram =
      call.number == SYS_sendto || datagrams_.contains({call.pid, static_cast<int32_t>(call.args[0])});
  if (Connection* c = connection(local ? "unix" : datagram ? "udp" : "tcp", *address); c != nullptr && c->pid == 0)
    c->pid = call.pid;
}

void Summary::met(const Connection& connection_met) {
  const bool datagram = connection_met.protocol == "udp";
  const std::string name = datagram ? dns_name(connection_met.first_bytes) : server_name(connection_met.first_bytes);
  // Each name that was asked for is one of its own: they are what a program meant.
  const bool asked = datagram && !name.empty() && connection_met.address.ends_with(":53");
  Connection* c = connection(asked ? "dns" : connection_met.protocol, connection_met.address, asked ? name : "");
  if (c == nullptr) return;
  if (c->name.empty()) c->name = name;
  // The first to call connect with this address, as far as it was told; of which type its socket was may not be known.
  for (const char* protocol : {"udp ", "tcp "}) {
    const auto same = by_address_.find(protocol + connection_met.address);
    if (c->pid == 0 && same != by_address_.end()) c->pid = connections_[same->second].pid;
  }
  if (c->protocol == "tcp") c->protocol = spoken(connection_met.first_bytes);
  c->sent_bytes += connection_met.sent_bytes;
  c->received_bytes += connection_met.received_bytes;
  // Of several to one address what each began with, as long as there is room; questions for names are all alike.
  if (c->first_bytes.empty() || (!asked && c->first_bytes.size() < first_bytes_max))
    c->first_bytes += (c->first_bytes.empty() ? "" : "\n") + connection_met.first_bytes;
  if (c->first_bytes.size() > first_bytes_max) c->first_bytes.resize(first_bytes_max);
}

void Summary::fill(Report& report) const {
  report.calls = calls_;
  report.calls_denied = denied_;
  report.calls_unknown = unknown_;
  report.processes = processes_;
  report.processes_dropped = processes_dropped_;
  report.connections.clear();
  for (const auto& c : connections_) {
    // Asked for, but met under a better name: what looked like TCP were datagrams, datagrams were questions for names,
    // or for the address that a connection would come from.
    const bool nothing_sent = c.sent_bytes == 0 && c.received_bytes == 0 && c.protocol != "dns";
    const bool better =
        nothing_sent && std::any_of(connections_.begin(), connections_.end(), [&](const Connection& other) {
          return &other != &c && other.address == c.address && other.protocol != "unix" &&
                 (other.protocol != "udp" || c.protocol == "tcp");
        });
    if (!better) report.connections.push_back(c);
  }
  report.connections_dropped = connections_dropped_;
  report.refusals.clear();
  for (const auto& [what, count] : refusals_) report.refusals.push_back({what.first, what.second, count});
  std::stable_sort(report.refusals.begin(), report.refusals.end(),
                   [](const Refusal& a, const Refusal& b) { return a.count > b.count; });
  report.refusals_dropped = refusals_dropped_;
}

}  // namespace shrike::sandbox

#include <array>

#include "scoring/rules/field.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {
namespace {

using K = EventKind;

void decimal(const Context& c, int raw, Values& out) {
  out.text(c.arena.decimal(static_cast<int64_t>(c.event.arg[static_cast<size_t>(raw)])));
}
// Ids and descriptors are 32 bits wide: what stands above is noise.
void narrow(const Context& c, int raw, Values& out) {
  out.text(c.arena.decimal(static_cast<int32_t>(c.event.arg[static_cast<size_t>(raw)])));
}
template <std::string_view (*show)(Arena&, uint64_t)>
void named(const Context& c, int raw, Values& out) {
  out.text(show(c.arena, c.event.arg[static_cast<size_t>(raw)]));
}
void result(const Context& c, int, Values& out) {
  if (!failed(c.event)) return out.text(c.arena.decimal(c.event.result));
  const std::string_view name = errno_name(-c.event.result);
  out.text(name.empty() ? c.arena.decimal(c.event.result) : name);
}
void full_path(const Context& c, int, Values& out) { out.known(c.event.full_path); }
void full_path2(const Context& c, int, Values& out) { out.known(c.event.full_path2); }
void given(const Context& c, int, Values& out) { out.known(c.event.path.text); }
void given2(const Context& c, int, Values& out) { out.known(c.event.path2.text); }
// A relative target is relative to the link, not to the caller: it stays as it was given.
void link_target(const Context& c, int, Values& out) {
  out.known(c.event.path.text.starts_with('/') ? c.event.full_path : c.event.path.text);
}
void command(const Context& c, int, Values& out) {
  if (c.process != nullptr) out.text(command_line(c.arena, *c.process));
}
void program(const Context& c, int, Values& out) {
  if (c.process != nullptr && !c.process->argv.empty()) out.text(c.process->argv.front());
}
// What execve found out about its file, in Falco's words.
void exec_flags(const Context& c, int, Values& out) {
  const uint16_t flags = c.event.flags;
  if ((flags & flag_memfd) != 0) return out.text("EXE_FROM_MEMFD");
  out.text((flags & flag_upper) != 0 ? "EXE_UPPER_LAYER" : "0");
}
void tuple(const Context& c, int, Values& out) {
  static const Reader name = [] {
    std::string error;
    bool unknown = false;
    return *reader_for(*find_field("fd.name", std::nullopt, error, unknown), K::connect);
  }();
  name.extract(c, -1, out);
}

constexpr PathPart whole = PathPart::whole;
using A = CallArgument;

constexpr auto on_fork = std::to_array<A>({{"res", result}, {"flags", named<clone_flags>, 0}, {"child", narrow, 1}});
constexpr auto on_exec = std::to_array<A>({{"res", result},
                                           {"filename", full_path},
                                           {"exe", program},
                                           {"args", command},
                                           {"flags", exec_flags},
                                           {"pathname", full_path, -1, {}, true}});
constexpr auto on_exit = std::to_array<A>({{"status", decimal, 1}, {"ret", decimal, 1, {}, true}, {"sig", decimal, 2}});
constexpr auto on_open = std::to_array<A>({{"fd", result},
                                           {"name", full_path, -1, whole},
                                           {"flags", named<open_flags>, 0},
                                           {"mode", named<mode_bits>, 1},
                                           {"resolve", decimal, 3},
                                           {"res", result, -1, {}, true},
                                           {"path", full_path, -1, whole, true},
                                           {"pathname", full_path, -1, whole, true}});
constexpr auto on_rename =
    std::to_array<A>({{"res", result}, {"oldpath", full_path, -1, whole}, {"newpath", full_path2, -1, whole}});
constexpr auto on_link = on_rename;
constexpr auto on_symlink =
    std::to_array<A>({{"res", result}, {"target", link_target, -1, whole}, {"linkpath", full_path2, -1, whole}});
constexpr auto on_path = std::to_array<A>({{"res", result},
                                           {"path", full_path, -1, whole},
                                           {"name", full_path, -1, whole, true},
                                           {"pathname", full_path, -1, whole, true}});
constexpr auto on_mkdir =
    std::to_array<A>({{"res", result}, {"path", full_path, -1, whole}, {"mode", named<mode_bits>, 0}});
constexpr auto on_chmod = std::to_array<A>({{"res", result},
                                            {"filename", full_path, -1, whole},
                                            {"mode", named<mode_bits>, 0},
                                            {"path", full_path, -1, whole, true},
                                            {"pathname", full_path, -1, whole, true}});
constexpr auto on_chown = std::to_array<A>({{"res", result},
                                            {"path", full_path, -1, whole},
                                            {"uid", narrow, 0},
                                            {"gid", narrow, 1},
                                            {"pathname", full_path, -1, whole, true}});
constexpr auto on_truncate =
    std::to_array<A>({{"res", result}, {"path", full_path, -1, whole}, {"length", decimal, 0}});
constexpr auto on_setxattr = std::to_array<A>({{"res", result}, {"path", full_path, -1, whole}, {"name", given2}});
constexpr auto on_mount = std::to_array<A>({{"res", result},
                                            {"dev", given},
                                            {"dir", full_path2},
                                            {"flags", named<mount_flags>, 0},
                                            {"source", full_path, -1, {}, true}});
constexpr auto on_pivot = std::to_array<A>({{"res", result}, {"new_root", full_path}, {"put_old", full_path2}});
constexpr auto on_socket = std::to_array<A>(
    {{"fd", result}, {"domain", named<address_family>, 0}, {"type", named<socket_type>, 1}, {"proto", decimal, 2}});
constexpr auto on_endpoint =
    std::to_array<A>({{"res", result}, {"fd", narrow, 0}, {"tuple", tuple}, {"addr", tuple, -1, {}, true}});
constexpr auto on_listen = std::to_array<A>({{"res", result}, {"fd", narrow, 0}, {"backlog", narrow, 1}});
constexpr auto on_accept = std::to_array<A>({{"fd", result}, {"tuple", tuple}});
constexpr auto on_dup = std::to_array<A>({{"res", result}, {"oldfd", narrow, 0}, {"newfd", narrow, 1}});
constexpr auto on_setid = std::to_array<A>({{"res", result},
                                            {"uid", narrow, 0},
                                            {"gid", narrow, 0, {}, true},
                                            {"ruid", narrow, 0, {}, true},
                                            {"euid", narrow, 1},
                                            {"suid", narrow, 2},
                                            {"rgid", narrow, 0, {}, true},
                                            {"egid", narrow, 1, {}, true},
                                            {"sgid", narrow, 2, {}, true}});
constexpr auto on_plain =
    std::to_array<A>({{"res", result}, {"a0", decimal, 0}, {"a1", decimal, 1}, {"a2", decimal, 2}, {"a3", decimal, 3}});
constexpr auto on_capset = std::to_array<A>({{"res", result}});
constexpr auto on_setns = std::to_array<A>({{"res", result}, {"fd", narrow, 0}, {"nstype", named<clone_flags>, 1}});
constexpr auto on_unshare = std::to_array<A>({{"res", result}, {"flags", named<clone_flags>, 0}});
constexpr auto on_ptrace = std::to_array<A>({{"res", result},
                                             {"request", named<ptrace_request>, 0},
                                             {"pid", narrow, 1},
                                             {"addr", decimal, 2},
                                             {"data", decimal, 3}});
constexpr auto on_vm = std::to_array<A>({{"res", result}, {"pid", narrow, 0}, {"write", decimal, 1}});
constexpr auto on_bpf = std::to_array<A>({{"res", result}, {"cmd", named<bpf_command>, 0}, {"type", decimal, 1}});
constexpr auto on_module = std::to_array<A>({{"res", result}, {"name", given}, {"path", full_path, -1, {}, true}});
constexpr auto on_memfd = std::to_array<A>({{"fd", result}, {"name", given}, {"flags", named<memfd_flags>, 1}});
constexpr auto on_map = std::to_array<A>({{"res", result},
                                          {"addr", decimal, 0},
                                          {"length", decimal, 1},
                                          {"prot", named<protection>, 2},
                                          {"flags", named<map_flags>, 3}});
constexpr auto on_prctl =
    std::to_array<A>({{"res", result}, {"option", named<prctl_option>, 0}, {"name", given}, {"arg2", decimal, 1}});
constexpr auto on_keyctl = std::to_array<A>({{"res", result}, {"op", named<keyctl_operation>, 0}, {"name", given}});
constexpr auto on_signal =
    std::to_array<A>({{"res", result}, {"sig", named<signal_name>, 0}, {"pid", narrow, 1}, {"tid", narrow, 2}});
constexpr auto on_uring = std::to_array<A>({{"res", result}, {"entries", decimal, 0}, {"flags", decimal, 1}});
constexpr auto on_uring_op =
    std::to_array<A>({{"opcode", decimal, 0}, {"fd", narrow, 1}, {"flags", decimal, 2}, {"path", full_path}});
constexpr auto on_toctou = std::to_array<A>({{"res", result}, {"path", full_path}});

}  // namespace

std::span<const CallArgument> arguments_of(EventKind kind) {
  switch (kind) {
    case K::fork:
      return on_fork;
    case K::exec:
    case K::exec_failed:
      return on_exec;
    case K::exit:
      return on_exit;
    case K::open:
      return on_open;
    case K::rename:
      return on_rename;
    case K::link:
      return on_link;
    case K::symlink:
      return on_symlink;
    case K::unlink:
    case K::rmdir:
    case K::umount:
    case K::chroot:
      return on_path;
    case K::mkdir:
      return on_mkdir;
    case K::chmod:
      return on_chmod;
    case K::chown:
      return on_chown;
    case K::truncate:
      return on_truncate;
    case K::setxattr:
      return on_setxattr;
    case K::mount:
      return on_mount;
    case K::pivot_root:
      return on_pivot;
    case K::socket:
      return on_socket;
    case K::bind:
    case K::connect:
    case K::sendto:
      return on_endpoint;
    case K::listen:
      return on_listen;
    case K::accept:
      return on_accept;
    case K::dup:
      return on_dup;
    case K::setid:
      return on_setid;
    case K::capset:
      return on_capset;
    case K::setns:
      return on_setns;
    case K::unshare:
      return on_unshare;
    case K::ptrace:
      return on_ptrace;
    case K::vm_access:
      return on_vm;
    case K::bpf:
      return on_bpf;
    case K::module_load:
    case K::module_unload:
      return on_module;
    case K::memfd:
      return on_memfd;
    case K::map_wx:
      return on_map;
    case K::prctl:
      return on_prctl;
    case K::keyctl:
      return on_keyctl;
    case K::signal:
      return on_signal;
    case K::uring_setup:
      return on_uring;
    case K::uring_op:
      return on_uring_op;
    case K::toctou:
      return on_toctou;
    case K::perf_event:
    case K::userfaultfd:
    case K::kexec:
      return on_plain;
    default:
      return {};
  }
}

}  // namespace shrike::scoring

#include <algorithm>
#include <array>

#include "scoring/rules/field.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {

namespace {

using K = EventKind;
constexpr KindSet all = KindSet::all();
constexpr uint32_t unset = UINT32_MAX;

void user_name(const Context& c, int, Values& out) {
  const Task& task = c.event.task;
  if (task.euid == 0) return out.text("root");
  // The table names real ids; another effective one has a name only by luck.
  if (c.process != nullptr && task.euid == c.process->task.uid) out.known(c.process->user);
}
void group_name(const Context& c, int, Values& out) {
  const Task& task = c.event.task;
  if (task.egid == 0) return out.text("root");
  if (c.process != nullptr && task.egid == c.process->task.gid) out.known(c.process->group);
}
void login_name(const Context& c, int, Values& out) {
  const Task& task = c.event.task;
  if (task.loginuid == 0) return out.text("root");
  if (c.process != nullptr && task.loginuid != unset && task.loginuid == c.process->task.uid)
    out.known(c.process->user);
}
void login_uid(const Context& c, int, Values& out) {
  out.number(c.event.task.loginuid == unset ? int64_t{-1} : int64_t{c.event.task.loginuid});
}

template <uint32_t Task::*member>
void task(const Context& c, int, Values& out) {
  out.number(c.event.task.*member);
}

template <void (*get)(const Context&, const Process&, Values&)>
void target(const Context& c, int, Values& out) {
  if (c.event.target != nullptr) get(c, *c.event.target, out);
}
// Which namespaces fork, unshare or setns makes or enters.
void new_namespaces(const Context& c, int, Values& out) {
  struct Namespace {
    uint64_t bit;
    std::string_view name;
  };
  static constexpr auto namespaces = std::to_array<Namespace>({{0x20000, "mnt"},
                                                               {0x2000000, "cgroup"},
                                                               {0x4000000, "uts"},
                                                               {0x8000000, "ipc"},
                                                               {0x10000000, "user"},
                                                               {0x20000000, "pid"},
                                                               {0x40000000, "net"}});
  const uint64_t flags = c.event.arg[c.event.kind == K::setns ? 1 : 0];
  for (const Namespace& entry : namespaces)
    if ((flags & entry.bit) != 0) out.text(entry.name);
}
void same_container(const Context& c, int, Values& out) {
  if (c.event.target != nullptr) out.boolean(container_id(c.event.target) == container_id(c.process));
}

constexpr auto fields = std::to_array<Field>({
    {"thread.tid", Type::number, all, task<&Task::tid>, "thread id, first pid namespace"},
    {"thread.cap_effective",
     Type::text,
     all,
     [](const Context& c, int, Values& out) { out.text(capabilities(c.arena, c.event.task.cap_effective)); },
     "effective capabilities with spaces between: CAP_CHOWN CAP_KILL",
     {},
     {},
     false,
     8},
    {"thread.cap_permitted",
     Type::text,
     all,
     [](const Context& c, int, Values& out) { out.text(capabilities(c.arena, c.event.task.cap_effective)); },
     "the effective capabilities: all of them are permitted, and events do not tell of more",
     {},
     {},
     false,
     8},
    {"thread.ismain", Type::boolean, all,
     [](const Context& c, int, Values& out) { out.boolean(c.event.task.tid == c.event.task.pid); },
     "the first thread of its process"},
    {"thread.nametid",
     Type::text,
     all,
     [](const Context& c, int, Values& out) {
       const std::string_view id = c.arena.decimal(c.event.task.tid), name = c.event.task.name();
       char* const text = c.arena.take(name.size() + id.size());
       std::copy(id.begin(), id.end(), std::copy(name.begin(), name.end(), text));
       out.text({text, name.size() + id.size()});
     },
     "the thread's name and id",
     {},
     {},
     false,
     3},
    {"thread.uid", Type::number, all, task<&Task::uid>, "ours: real user id"},
    {"thread.euid", Type::number, all, task<&Task::euid>, "ours: effective user id"},
    {"thread.suid", Type::number, all, task<&Task::suid>, "ours: saved user id"},
    {"thread.gid", Type::number, all, task<&Task::gid>, "ours: real group id"},
    {"thread.egid", Type::number, all, task<&Task::egid>, "ours: effective group id"},
    {"thread.ns.mnt", Type::number, all, task<&Task::ns_mnt>, "ours: mount namespace"},
    {"thread.ns.pid", Type::number, all, task<&Task::ns_pid>, "ours: pid namespace"},
    {"thread.ns.net", Type::number, all, task<&Task::ns_net>, "ours: network namespace"},
    {"thread.ns.user", Type::number, all, task<&Task::ns_user>, "ours: user namespace"},
    {"user.uid", Type::number, all, task<&Task::euid>, "effective user id, as Falco has it"},
    {"user.name", Type::text, all, user_name, "name of the effective user"},
    {"user.loginuid", Type::number, all, login_uid, "who logged in; -1 when nobody did"},
    {"user.loginname", Type::text, all, login_name, "its name, when it is also the real user"},
    {"group.gid", Type::number, all, task<&Task::egid>, "effective group id"},
    {"group.name", Type::text, all, group_name, "its name"},
    {"target.pid", Type::number, kinds::targets,
     target<[](const Context&, const Process& p, Values& out) { out.number(p.pid); }>,
     "ours: process signalled, traced, read or written, or the child of fork"},
    {"target.name", Type::text, kinds::targets,
     target<[](const Context&, const Process& p, Values& out) { out.known(p.name); }>, "ours: its name"},
    {"target.exepath", Type::text, kinds::targets,
     target<[](const Context&, const Process& p, Values& out) { out.known(p.exe); }>, "ours: its executable"},
    {"target.uid", Type::number, kinds::targets,
     target<[](const Context&, const Process& p, Values& out) { out.number(p.task.uid); }>, "ours: its real user id"},
    {"target.ppid", Type::number, kinds::targets,
     target<[](const Context&, const Process& p, Values& out) { out.number(p.ppid); }>, "ours: its parent"},
    {"ns.new",
     Type::text,
     {K::fork, K::unshare, K::setns},
     new_namespaces,
     "ours: namespaces made or entered, any of mnt, cgroup, uts, ipc, user, pid, net"},
    {"target.same_container", Type::boolean, kinds::targets, same_container,
     "ours: it runs in the same container (or both on the host)"},
});

}  // namespace

std::span<const Field> workload_fields() { return fields; }

}  // namespace shrike::scoring

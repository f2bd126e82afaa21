#include <algorithm>
#include <array>

#include "scoring/rules/field.h"
#include "scoring/rules/names.h"

namespace shrike::scoring {

std::string_view process_name(const Context& context) {
  if (context.process != nullptr && !context.process->name.empty()) return context.process->name;
  return context.event.task.name();
}

namespace {

constexpr size_t command_max = 16u << 10;
constexpr int ancestors_max = 64;  // also what ends a walk over a table that went wrong

std::string_view join(Arena& arena, std::string_view first, const Process& process) {
  const auto& argv = process.argv;
  if (argv.size() <= 1) return first;
  size_t bytes = first.size();
  for (size_t i = 1; i < argv.size(); ++i) bytes += argv[i].size() + 1;
  bytes = std::min(bytes, command_max);
  char* const out = arena.take(bytes);
  size_t used = 0;
  const auto add = [&](std::string_view text) {
    const size_t n = std::min(text.size(), bytes - used);
    std::copy_n(text.begin(), n, out + used);
    used += n;
  };
  add(first);
  for (size_t i = 1; i < argv.size(); ++i) {
    if (used != 0 || i > 1) add(" ");
    add(argv[i]);
  }
  return {out, used};
}

}  // namespace

std::string_view command_line(Arena& arena, const Process& process) { return join(arena, process.name, process); }
std::string_view arguments_text(Arena& arena, const Process& process) { return join(arena, {}, process); }

namespace {

using K = EventKind;
constexpr KindSet all = KindSet::all();
constexpr auto maybe_index = Field::Takes::maybe_index;

const Process* parent(const Context& c) { return c.process == nullptr ? nullptr : c.process->parent; }

// 0: the process itself, 1: its parent, and so on.
const Process* ancestor(const Context& c, int index) {
  const Process* process = c.process;
  for (int i = 0; i < index && process != nullptr; ++i) process = process->parent;
  return process;
}

template <class Visit>
void each_ancestor(const Context& c, const Visit& visit) {
  const Process* process = parent(c);
  for (int i = 0; i < ancestors_max && process != nullptr; ++i, process = process->parent) visit(*process);
}

std::string_view first_argument(const Process& process) {
  return process.argv.empty() ? std::string_view{} : std::string_view(process.argv.front());
}

// Reads `get` from the process that `find` names.
template <const Process* (*find)(const Context&, int), void (*get)(const Context&, const Process&, Values&)>
void of(const Context& c, int index, Values& out) {
  if (const Process* process = find(c, index); process != nullptr) get(c, *process, out);
}
// With an index one ancestor, without one every ancestor.
template <void (*get)(const Context&, const Process&, Values&)>
void of_ancestors(const Context& c, int index, Values& out) {
  if (index >= 0) return of<ancestor, get>(c, index, out);
  each_ancestor(c, [&](const Process& process) { get(c, process, out); });
}
const Process* self(const Context& c, int) { return c.process; }
const Process* parent_of(const Context& c, int) { return parent(c); }
const Process* session_leader(const Context& c, int) {
  const Process* process = c.process;
  for (int i = 0; i < ancestors_max && process != nullptr; ++i, process = process->parent)
    if (process->pid == c.event.task.session) return process;
  return nullptr;
}

void get_name(const Context&, const Process& p, Values& out) { out.known(p.name); }
void get_exe(const Context&, const Process& p, Values& out) { out.known(first_argument(p)); }
void get_exepath(const Context&, const Process& p, Values& out) { out.known(p.exe); }
void get_cmdline(const Context& c, const Process& p, Values& out) { out.known(command_line(c.arena, p)); }
void get_args(const Context& c, const Process& p, Values& out) { out.text(arguments_text(c.arena, p)); }
// Falco's command lines begin with the name, which is cut and can be chosen; these with what the program was given.
void get_exeline(const Context& c, const Process& p, Values& out) {
  if (!p.argv.empty()) out.known(join(c.arena, p.argv.front(), p));
}
void get_pid(const Context&, const Process& p, Values& out) { out.number(p.pid); }
void get_duration(const Context& c, const Process& p, Values& out) {
  out.number(static_cast<int64_t>(c.event.boot_ns) - static_cast<int64_t>(p.start_ns));
}

int64_t start_wall(const Context& c, const Process& p) {
  return static_cast<int64_t>(c.event.time_ns) -
         (static_cast<int64_t>(c.event.boot_ns) - static_cast<int64_t>(p.start_ns));
}

// Session leaders and shells are found by name: that is what Falco does, and all that is known of both.
bool is_shell(std::string_view name) {
  static constexpr auto shells =
      std::to_array<std::string_view>({"ash", "bash", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"});
  return std::find(shells.begin(), shells.end(), name) != shells.end();
}
void login_shell(const Context& c, int, Values& out) {
  const Process* found = c.process != nullptr && is_shell(c.process->name) ? c.process : nullptr;
  each_ancestor(c, [&](const Process& process) {
    if (is_shell(process.name)) found = &process;
  });
  if (found != nullptr) out.number(found->pid);
}

// A terminal as the kernel used to number it: 34816 is pts/0.
void tty(const Context& c, int, Values& out) {
  const uint32_t major = c.event.task.tty >> 20, minor = c.event.task.tty & 0xfffff;
  out.number((minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
}

void cwd(const Context& c, int, Values& out) {
  const std::string_view now = !c.event.cwd.empty()   ? c.event.cwd
                               : c.process != nullptr ? std::string_view(c.process->cwd)
                                                      : std::string_view{};
  if (now.empty()) return;
  if (now.back() == '/') return out.text(now);
  char* const text = c.arena.take(now.size() + 1);  // Falco's working directories end in a slash
  std::copy(now.begin(), now.end(), text);
  text[now.size()] = '/';
  out.text({text, now.size() + 1});
}

void group_leader(const Context& c, int, Values& out) {
  if (c.event.task.session == c.event.task.pid) out.boolean(true);
}

void writable(const Context& c, int, Values& out) {
  const Object& o = c.event.object;
  const Task& t = c.event.task;
  if (o.inode == 0) return;
  out.boolean((t.uid == o.uid && (o.mode & 0200) != 0) || (t.gid == o.gid && (o.mode & 020) != 0) ||
              (o.mode & 02) != 0);
}

template <EventFlag flag>
void exec_flag(const Context& c, int, Values& out) {
  if (c.event.kind == K::exec) return out.boolean((c.event.flags & flag) != 0);
  if (c.process != nullptr) out.boolean((c.process->exec_flags & flag) != 0);
}

constexpr auto fields = std::to_array<Field>({
    {"proc.name", Type::text, all, [](const Context& c, int, Values& out) { out.known(process_name(c)); },
     "name, at most 15 characters (the program can choose it)"},
    {"proc.exe", Type::text, all, of<self, get_exe>, "argv[0] (the caller of exec can choose it)"},
    {"proc.exepath", Type::text, all, of<self, get_exepath>, "path of the executable, from the kernel", {}, {}, false, 2},
    {"proc.exe_object", Type::text, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr) object_names(c, c.process->exe_objects, out);
     },
     "ours: sets of objects that the executable was in when it was run, by device and inode"},
    {"proc.cmdline", Type::text, all, of<self, get_cmdline>, "name and arguments", {}, {}, false, 20},
    {"proc.args", Type::text, all, of<self, get_args>, "arguments from argv[1] on", {}, {}, false, 20},
    {"proc.arg", Type::text, all,
     [](const Context& c, int index, Values& out) {
       if (c.process == nullptr) return;
       const auto& argv = c.process->argv;
       if (index >= 0 && static_cast<size_t>(index) < argv.size()) out.text(argv[static_cast<size_t>(index)]);
       for (size_t i = 1; index < 0 && i < argv.size(); ++i) out.text(argv[i]);
     },
     "ours: argv[n]; without n: the list of all from argv[1] on, for getopt() and join()", maybe_index, {}, false, 2,
     true},
    {"proc.cmdnargs", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr) out.number(c.process->argv.empty() ? int64_t{0} : static_cast<int64_t>(c.process->argv.size() - 1));
     },
     "number of arguments"},
    {"proc.cmdlenargs", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process == nullptr) return;
       size_t bytes = 0;
       for (size_t i = 1; i < c.process->argv.size(); ++i) bytes += c.process->argv[i].size();
       out.number(static_cast<int64_t>(bytes));
     },
     "characters in all arguments"},
    {"proc.cwd", Type::text, all, cwd, "working directory at exec, with a slash at the end", {}, {}, false, 2},
    {"proc.pid", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.task.pid); },
     "process id, first pid namespace"},
    {"proc.vpid", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.task.vpid); },
     "process id in its own pid namespace"},
    {"proc.ppid", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.task.ppid); },
     "parent's process id"},
    {"proc.pname", Type::text, all, of<parent_of, get_name>, "parent's name"},
    {"proc.pexe", Type::text, all, of<parent_of, get_exe>, "parent's argv[0]"},
    {"proc.pexepath", Type::text, all, of<parent_of, get_exepath>, "parent's executable", {}, {}, false, 2},
    {"proc.pcmdline", Type::text, all, of<parent_of, get_cmdline>, "parent's name and arguments", {}, {}, false, 20},
    {"proc.pexeline", Type::text, all, of<parent_of, get_exeline>, "ours: the parent's proc.exeline", {}, {}, false, 20},
    {"proc.puid", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (parent(c) != nullptr) out.number(parent(c)->task.uid);
     },
     "ours: parent's real user id as last seen"},
    {"proc.aname", Type::text, all, of_ancestors<get_name>, "name of ancestor n (1 is the parent); without n: of any",
     maybe_index, {}, false, 6},
    {"proc.aexe", Type::text, all, of_ancestors<get_exe>, "argv[0] of ancestor n, or of any", maybe_index, {}, false, 6},
    {"proc.aexepath", Type::text, all, of_ancestors<get_exepath>, "executable of ancestor n, or of any", maybe_index, {},
     false, 7},
    {"proc.acmdline", Type::text, all, of_ancestors<get_cmdline>, "name and arguments of ancestor n, or of any",
     maybe_index, {}, false, 20},
    {"proc.apid", Type::number, all, of_ancestors<get_pid>, "process id of ancestor n, or of any", maybe_index, {}, false,
     6},
    {"proc.sid", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.task.session); },
     "session id"},
    {"proc.sname", Type::text, all, of<session_leader, get_name>, "name of the session's leader, if an ancestor", {}, {},
     false, 3},
    {"proc.sid.exe", Type::text, all, of<session_leader, get_exe>, "argv[0] of the session's leader", {}, {}, false, 3},
    {"proc.sid.exepath", Type::text, all, of<session_leader, get_exepath>, "executable of the session's leader", {}, {},
     false, 3},
    {"proc.tty", Type::number, all, tty, "controlling terminal, 0 without one"},
    {"proc.loginshellid", Type::number, all, login_shell, "process id of the oldest shell among the ancestors", {}, {},
     false, 7},
    {"proc.duration", Type::number, all, of<self, get_duration>, "nanoseconds since the process began"},
    {"proc.ppid.duration", Type::number, all, of<parent_of, get_duration>, "nanoseconds since its parent began"},
    {"proc.pid.ts", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr) out.number(start_wall(c, *c.process));
     },
     "start of the process, nanoseconds since 1970"},
    {"proc.is_exe_upper_layer", Type::boolean, all, exec_flag<flag_upper>,
     "executable is in an overlay's upper layer: not part of the image"},
    {"proc.is_exe_from_memfd", Type::boolean, all, exec_flag<flag_memfd>, "executable is a memfd"},
    {"proc.is_exe_deleted", Type::boolean, all, exec_flag<flag_deleted>, "ours: executable had no name left at exec"},
    {"proc.is_script", Type::boolean, all, exec_flag<flag_interp>, "ours: exec was given a script"},
    {"proc.is_exe_writable", Type::boolean, {K::exec}, writable, "executable can be written by its user"},
    {"proc.exe_ino", Type::number, all, [](const Context& c, int, Values& out) { out.number(c.event.task.exe_inode); },
     "inode of the executable"},
    {"proc.exe_ino.ctime", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr && c.process->exe_ctime_ns != 0) out.number(c.process->exe_ctime_ns);
     },
     "last change of the executable's inode, nanoseconds since 1970"},
    {"proc.exe_ino.mtime", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr && c.process->exe_mtime_ns != 0) out.number(c.process->exe_mtime_ns);
     },
     "last change of the executable's content, nanoseconds since 1970"},
    {"proc.exe_ino.ctime_duration_proc_start", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr && c.process->exe_ctime_ns != 0)
         out.number(start_wall(c, *c.process) - static_cast<int64_t>(c.process->exe_ctime_ns));
     },
     "nanoseconds from the executable's last change to the process's start"},
    {"proc.has_stdio_socket", Type::boolean, all,
     [](const Context& c, int, Values& out) {
       if (c.process != nullptr) out.boolean(c.process->has_stdio_socket);
     },
     "ours: a network socket was put onto descriptor 0, 1 or 2"},
    {"proc.is_container_healthcheck", Type::boolean, all, [](const Context&, int, Values& out) { out.boolean(false); },
     "always false: probes are not told apart"},
    {"proc.is_container_liveness_probe", Type::boolean, all, [](const Context&, int, Values& out) { out.boolean(false); },
     "always false"},
    {"proc.is_container_readiness_probe", Type::boolean, all,
     [](const Context&, int, Values& out) { out.boolean(false); }, "always false"},
    {"proc.exeline", Type::text, all, of<self, get_exeline>, "argv[0] and arguments", {}, {}, false, 20},
    {"proc.aargs", Type::text, all, of_ancestors<get_args>, "arguments of ancestor n, or of any", maybe_index, {}, false,
     20},
    {"proc.pvpid", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (parent(c) != nullptr && parent(c)->task.vpid != 0) out.number(parent(c)->task.vpid);
     },
     "parent's process id in its own pid namespace"},
    {"proc.ppid.ts", Type::number, all,
     [](const Context& c, int, Values& out) {
       if (parent(c) != nullptr) out.number(start_wall(c, *parent(c)));
     },
     "start of the parent, nanoseconds since 1970"},
    {"proc.is_sid_leader", Type::boolean, all,
     [](const Context& c, int, Values& out) { out.boolean(c.event.task.session == c.event.task.pid); },
     "it leads its session"},
    {"proc.is_vpgid_leader", Type::boolean, all, group_leader,
     "true for the leader of a session, which leads its process group too; else missing: events do not tell the group"},
    {"proc.is_pgid_leader", Type::boolean, all, group_leader, "the same"},
});

}  // namespace

std::span<const Field> process_fields() { return fields; }

}  // namespace shrike::scoring

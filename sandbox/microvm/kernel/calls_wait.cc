// wait4 and waitid.

#include <sys/resource.h>
#include <sys/wait.h>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/pid_file.h"

namespace shrike::sandbox::microvm {

FilePtr make_pid_file(const System& system, uint32_t pid) {
  const auto found = system.table.find(pid);
  auto node = anonymous_node(system.files.store(), "[pidfd]");
  if (!node) return nullptr;
  return std::make_shared<PidFile>(system, pid, found == system.table.end() ? 0 : found->second->start_ns,
                                   std::move(node));
}

namespace {
struct ::rusage usage_of(uint64_t cpu_ns, const AddressSpace* space) {
  struct ::rusage usage {};
  usage.ru_utime = {static_cast<time_t>(cpu_ns / 1'000'000'000), static_cast<suseconds_t>(cpu_ns / 1000 % 1'000'000)};
  if (space != nullptr) usage.ru_maxrss = static_cast<long>(space->resident_bytes() / 1024);
  return usage;
}

/// Which children a call asks for.
struct Which {
  idtype_t type = P_ALL;
  uint32_t id = 0;
  int options = 0;
};

/// What happened to one of them.
struct News {
  Process* child = nullptr;
  int code = 0;  // CLD_
  int status = 0;
};

bool matches(const Process& child, const Which& which) {
  if ((which.options & __WALL) == 0 && ((which.options & __WCLONE) != 0) != (child.exit_signal != SIGCHLD))
    return false;
  switch (which.type) {
    case P_PID:
    case P_PIDFD:
      return child.pid == which.id;
    case P_PGID:
      return child.group == which.id;
    default:
      return true;
  }
}

// nullopt: no such child at all; News without a child: none has news yet.
std::optional<News> look(System& system, uint32_t parent, const Which& which) {
  bool any = false;
  for (const auto& [pid, child] : system.table) {
    if (child->parent != parent || !matches(*child, which)) continue;
    any = true;
    if (child->zombie && (which.options & WEXITED) != 0) {
      const int status = child->wait_status;
      const int code = WIFEXITED(status) ? CLD_EXITED : (status & 0x80) != 0 ? CLD_DUMPED : CLD_KILLED;
      return News{child.get(), code, status};
    }
    if (child->stopped && !child->stop_told && (which.options & WSTOPPED) != 0)
      return News{child.get(), CLD_STOPPED, (child->stop_signal << 8) | 0x7f};
    if (!child->stopped && !child->zombie && !child->continue_told && (which.options & WCONTINUED) != 0)
      return News{child.get(), CLD_CONTINUED, 0xffff};
  }
  return any ? std::optional(News{}) : std::nullopt;
}

// The parent knows now.
void settle(System& system, Process& parent, Process& child, int options) {
  if ((options & WNOWAIT) != 0) return;
  if (child.zombie) {
    parent.children_cpu_ns += System::process_cpu(child) + child.children_cpu_ns;
    system.reap(child);
  } else if (child.stopped) {
    child.stop_told = true;
  } else {
    child.continue_told = true;
  }
}

using Give = std::function<int64_t(const News&)>;

int64_t wait_for(Request& request, const Which& which, Give give, int64_t nothing) {
  System& system = request.system;
  Process* parent = &request.process;
  auto again = [&system, parent, which, give = std::move(give), nothing]() -> std::optional<int64_t> {
    const auto news = look(system, parent->pid, which);
    if (!news) return -ECHILD;
    if (news->child == nullptr) return (which.options & WNOHANG) != 0 ? std::optional(nothing) : std::nullopt;
    const int64_t result = give(*news);
    settle(system, *parent, *news->child, which.options);
    return result;
  };
  Wait wait;
  wait.again = std::move(again);
  wait.restarts = true;
  return request.wait(std::move(wait));
}
}  // namespace

int64_t on_wait4(Request& request) {
  const auto& [who, status_at, options, usage_at, a, b] = request.args;
  constexpr uint64_t known = WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
  const auto pid = static_cast<int32_t>(who);
  if ((options & ~known & 0xffffffff) != 0) return -EINVAL;
  if (pid == INT32_MIN) return -ESRCH;
  Which which{.options = static_cast<int>(options) | WEXITED};
  if (pid > 0) which.type = P_PID, which.id = static_cast<uint32_t>(pid);
  if (pid == 0) which.type = P_PGID, which.id = request.process.group;
  if (pid < -1) which.type = P_PGID, which.id = static_cast<uint32_t>(-pid);
  const auto give = [memory = request.memory, status = status_at, usage = usage_at](const News& news) -> int64_t {
    const struct ::rusage used = usage_of(System::process_cpu(*news.child), news.child->space.get());
    if (!memory.put_if(status, int32_t{news.status}) || !memory.put_if(usage, used)) return -EFAULT;
    return news.child->pid;
  };
  return wait_for(request, which, give, 0);
}

int64_t on_waitid(Request& request) {
  const auto& [type, id, info_at, options, usage_at, a] = request.args;
  constexpr uint64_t known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
  if ((options & ~known) != 0 || (options & (WEXITED | WSTOPPED | WCONTINUED)) == 0 || type > P_PIDFD) return -EINVAL;
  Which which{static_cast<idtype_t>(type), static_cast<uint32_t>(id), static_cast<int>(options)};
  if (which.type == P_PIDFD) {
    const auto file = std::dynamic_pointer_cast<PidFile>(request.process.files->get(static_cast<int>(id)));
    if (!file) return -EBADF;
    which.id = file->pid();
  }
  if (which.type == P_PGID && which.id == 0) which.id = request.process.group;
  if (which.type == P_PID && static_cast<int32_t>(id) <= 0) return -EINVAL;
  // The call returns 0 also where nothing has happened; pid 0 in the info says so.
  if ((options & WNOHANG) != 0 && info_at != 0 && !request.memory.put(info_at, SignalInfo::Bytes{})) return -EFAULT;
  const auto give = [memory = request.memory, info_to = info_at, usage = usage_at](const News& news) -> int64_t {
    const int told = news.code == CLD_EXITED      ? WEXITSTATUS(news.status)
                     : news.code == CLD_STOPPED   ? WSTOPSIG(news.status)
                     : news.code == CLD_CONTINUED ? SIGCONT
                                                  : WTERMSIG(news.status);
    const SignalInfo info{.number = SIGCHLD,
                          .code = news.code,
                          .pid = news.child->pid,
                          .uid = news.child->credentials.uid,
                          .status = told};
    const struct ::rusage used = usage_of(System::process_cpu(*news.child), news.child->space.get());
    return memory.put_if(info_to, info.bytes()) && memory.put_if(usage, used) ? 0 : -EFAULT;
  };
  return wait_for(request, which, give, 0);
}

int64_t on_getrusage(Request& request) {
  const Process& process = request.process;
  struct ::rusage usage {};
  switch (request.number(0)) {
    case RUSAGE_SELF:
      usage = usage_of(System::process_cpu(process), process.space.get());
      break;
    case RUSAGE_CHILDREN:
      usage = usage_of(process.children_cpu_ns, nullptr);
      break;
    case RUSAGE_THREAD:
      usage = usage_of(request.thread.cpu_ns, process.space.get());
      break;
    default:
      return -EINVAL;
  }
  return request.memory.put(request.args[1], usage) ? 0 : -EFAULT;
}

}  // namespace shrike::sandbox::microvm

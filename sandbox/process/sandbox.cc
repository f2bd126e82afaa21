#include "sandbox/process/sandbox.h"

#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "sandbox/json_object.h"
#include "sandbox/pidfd.h"
#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {

namespace {

constexpr uint64_t new_namespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr size_t steps_max = 32;

uint64_t nanoseconds(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_usec) * 1000;
}

/// As fork(2): returns in both. Errors: errno.
pid_t clone_into(int cgroup, int& pidfd) {
  clone_args args{};
  args.flags = new_namespaces | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0);
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  args.cgroup = cgroup >= 0 ? static_cast<uint64_t>(cgroup) : 0;
  return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

Error explain(int code) {
  if (code == EPERM || code == ENOSPC || code == EUSERS)
    return errno_error("no namespaces for this user (see user.max_user_namespaces and user namespaces' own switches)",
                       code);
  return errno_error("clone3", code);
}

}  // namespace

Result<void> Sandbox::map_user(uid_t uid) {
  const std::string proc = "/proc/" + std::to_string(init_pid_);
  const bool privileged = ::geteuid() == 0;
  // Without the right to map groups the kernel wants to know that none can be dropped, by which a file could deny them.
  if (!privileged && !put(proc + "/setgroups", "deny")) return errno_error("setgroups");
  // Now: once the init is another user, looking takes CAP_SYS_PTRACE.
  struct stat about {};
  if (::stat((proc + "/ns/user").c_str(), &about) != 0) return errno_error("the sandbox's user namespace");
  user_namespace_ = static_cast<uint64_t>(about.st_ino);
  const std::string gid = std::to_string(privileged ? static_cast<gid_t>(uid) : ::getegid());
  if (!put(proc + "/uid_map", "0 " + std::to_string(privileged ? uid : ::geteuid()) + " 1"))
    return errno_error("uid_map");
  if (!put(proc + "/gid_map", "0 " + gid + " 1")) return errno_error("gid_map");
  put(proc + "/oom_score_adj", "1000");
  return {};
}

Result<std::unique_ptr<Sandbox>> Sandbox::prepare(const CgroupHost& host, const InitPlan& plan, const std::string& name,
                                                  uid_t uid) {
  uint64_t last = boot_now_ns();
  std::unique_ptr<Sandbox> sandbox(new Sandbox(TRY(Cgroup::create(host, name))));
  const auto step = [&](const char* what) {
    const uint64_t now = boot_now_ns();
    sandbox->steps_.push_back({what, now - last});
    last = now;
  };
  step("cgroup");
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return errno_error("socketpair");
  sandbox->link_ = Fd(fds[0]);
  Fd theirs(fds[1]);
  int pidfd = -1;
  const pid_t pid = clone_into(sandbox->cgroup_.fd(), pidfd);
  if (pid < 0) return explain(errno);
  if (pid == 0) run_init(std::move(theirs), plan);
  sandbox->init_pid_ = pid;
  sandbox->init_ = Fd(pidfd);
  theirs.reset();
  step("namespaces");
  TRY_VOID(sandbox->map_user(uid));
  TRY_VOID(sandbox->cgroup_.join(pid));
  step("user and groups");
  TRY_VOID(say(sandbox->link_.get(), Word::go));
  Heard ready = TRY(sandbox->expect(Word::ready));
  if (ready.fds.size() < 2) return Error{"the sandbox's init sent no root"};
  sandbox->root_ = std::move(ready.fds[0]);
  sandbox->network_ = std::move(ready.fds[1]);
  for (size_t i = 2; i < ready.fds.size(); ++i) sandbox->sockets_.push_back(std::move(ready.fds[i]));
  sandbox->note(ready.text);
  sandbox->files_ = list_files(sandbox->root_.get());
  return sandbox;
}

Sandbox::~Sandbox() { kill(); }

Result<Heard> Sandbox::expect(Word word) {
  auto heard = TRY(hear(link_.get()));
  if (!heard) return Error{"the sandbox's init ended without a word"};
  if (heard->word == Word::failed) return Error{"set-up: " + heard->text.substr(0, report_text_max)};
  if (heard->word != word) return Error{"the sandbox's init said another word than expected"};
  return std::move(*heard);
}

void Sandbox::note(const std::string& text) {
  const auto value = parse_json(text, "steps");
  if (!value) return;
  JsonObject object(*value, "steps");
  object.list("steps", steps_max, [&](const nlohmann::json& entry, const std::string& where) -> Result<void> {
    Step one;
    JsonObject step_object(entry, where);
    step_object.text("name", one.name, 64);
    step_object.number("ns", one.ns);
    TRY_VOID(step_object.finish(true));
    if (steps_.size() < steps_max) steps_.push_back(std::move(one));
    return {};
  });
  object.list("notes", steps_max, [&](const nlohmann::json& entry, const std::string& where) -> Result<void> {
    std::string one = TRY(read_bytes(entry, where, report_text_max));
    if (notes_.size() < steps_max) notes_.push_back(std::move(one));
    return {};
  });
}

void Sandbox::kill() {
  if (!init_.valid() || reaped_) return;
  // The death of a namespace's init is that of all in it, stopped ones too.
  kill_pidfd(init_);
  siginfo_t info{};
  rusage usage{};
  while (::syscall(SYS_waitid, P_PIDFD, init_.get(), &info, WEXITED, &usage) != 0 && errno == EINTR) {
  }
  rusage_cpu_ns_ = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  reaped_ = true;
}

Result<void> Sandbox::remove() {
  kill();
  return cgroup_.remove();
}

}  // namespace shrike::sandbox::process

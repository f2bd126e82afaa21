#include "agent/detonate/behaviour_programs.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "agent/detonate/finding.h"

namespace shrike::detonate {
namespace {

constexpr size_t many_forks = 16;
constexpr uint64_t pr_set_name = 15;

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

bool any_of(std::initializer_list<std::string_view> all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::vector<std::string_view> words(std::string_view arguments) {
  std::vector<std::string_view> all;
  while (!arguments.empty() && all.size() < 64) {
    all.push_back(arguments.substr(0, arguments.find('\0')));
    arguments.remove_prefix(std::min(arguments.size(), all.back().size() + 1));
  }
  return all;
}

bool in_shared_folder(std::string_view path) {
  return path.starts_with("/tmp/") || path.starts_with("/var/tmp/") || path.starts_with("/dev/shm/");
}

/// A name that ls does not show; of folders only those where everybody may write: many tools live in one at home.
bool is_hidden(std::string_view path) {
  return last_of(path).starts_with('.') || (in_shared_folder(path) && path.find("/.") != std::string_view::npos);
}

bool is_shell(std::string_view exe, std::string_view name) {
  return any_of({"sh", "dash", "bash", "zsh", "ksh", "mksh", "ash"}, last_of(exe)) ||
         (last_of(exe) == "busybox" && any_of({"sh", "ash"}, last_of(name)));
}

bool asks_to_be_interactive(const std::vector<std::string_view>& arguments) {
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--" || !word.starts_with('-')) return false;
    // With a command it only wants the start-up files read.
    if (!word.starts_with("--") && word.find('c') != std::string_view::npos) return false;
    if (!word.starts_with("--") && word.find('i') != std::string_view::npos) return true;
  }
  return false;
}

bool is_kernel_thread_name(std::string_view name) {
  static constexpr std::string_view begins[] = {"kworker/", "ksoftirqd", "kthreadd", "migration/", "rcu_", "kswapd"};
  return (name.starts_with('[') && name.ends_with(']')) ||
         std::any_of(std::begin(begins), std::end(begins), [&](auto begin) { return name.starts_with(begin); });
}

}  // namespace

void ProgramBehaviour::evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                                std::vector<Alert>& alerts) {
  const std::string program(program_of(event));
  switch (event.kind) {
    case EventKind::exec:
      on_exec(event, processes, alerts);
      begun_ = true;
      return;
    case EventKind::unlink:
      return on_unlink(event, processes, alerts);
    case EventKind::prctl:
      if (event.arg[0] == pr_set_name && is_kernel_thread_name(event.path.text))
        tell(alerts, kernel_name, event, program + " calls itself " + std::string(event.path.text),
             {{"name", std::string(event.path.text)}});
      return;
    case EventKind::map_wx: {
      const std::string_view name = last_of(program);
      const bool from_file = call.number == SYS_mmap && (call.args[3] & MAP_ANONYMOUS) == 0;
      if (event.result >= 0 && !from_file && (name.starts_with("python") || name.starts_with("perl")))
        tell(alerts, machine_code, event, program + " made memory that can be written and run");
      return;
    }
    default:
      on_fork(call, event, alerts);
  }
}

void ProgramBehaviour::on_exec(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  const std::string path(event.real_path);
  if (processes.has_built(path)) {
    tell(alerts, built, event, "a program that was compiled here was run: " + path, {{"path", path}});
  } else {
    if (executed_.size() < known_most) executed_.insert(path);
    if (processes.has_written(path))
      tell(alerts, second_stage, event, "a file that the program made was run: " + path, {{"path", path}});
  }
  if (begun_ && is_hidden(path))
    tell(alerts, hidden_program, event, "a program that a listing does not show was run: " + path, {{"path", path}});
  if (begun_) on_shell(event, processes, alerts);
}

void ProgramBehaviour::on_shell(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) const {
  const auto arguments = words(event.path2.text);
  if (arguments.empty() || !is_shell(event.real_path, arguments.front())) return;
  const std::string shell(event.real_path);
  if (asks_to_be_interactive(arguments)) {
    tell(alerts, remote_shell, event, shell + " was started to be typed into, and there is no terminal here");
    return;
  }
  // Reads commands from its standard input; a log-in shell (its name begins with '-') and one at a file do not count.
  const bool reads = arguments.size() == 1 || (arguments.size() == 2 && any_of({"-", "-s"}, arguments[1]));
  if (!reads || arguments.front().starts_with('-')) return;
  const JobProcess* process = processes.find(event.task.pid);
  if (process == nullptr) return;
  const Descriptor* input = process->descriptors.find(0);
  if (input == nullptr) tell(alerts, piped_shell, event, shell + " takes its commands from a pipe");
}

void ProgramBehaviour::on_unlink(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) const {
  if (event.result < 0) return;
  const std::string path(event.full_path), program(program_of(event));
  if (executed_.contains(path))
    tell(alerts, self_deletion, event, program + " deleted a program that was run: " + path, {{"path", path}});
  else if (processes.runs_script(path))
    tell(alerts, script_deletion, event, program + " deleted a script that still runs: " + path, {{"path", path}});
}

void ProgramBehaviour::on_fork(const sandbox::Call& call, const Event& event, std::vector<Alert>& alerts) {
  if (call.kind != sandbox::CallKind::call || call.abi != sandbox::CallAbi::x86_64 || call.result != -EAGAIN) return;
  if (!(call.number == SYS_clone || call.number == SYS_fork || call.number == SYS_vfork)) return;
  if (++forks_refused_ < many_forks) return;
  const std::string count = std::to_string(forks_refused_);
  tell(alerts, too_many, event,
       std::string(program_of(event)) + " asked " + count + " times for more processes than it may have",
       {{"refused", count}});
}

}  // namespace shrike::detonate

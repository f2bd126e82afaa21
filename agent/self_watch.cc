#include "agent/self_watch.h"

#include <linux/bpf.h>

#include <csignal>

#include "scoring/rules/engine.h"

namespace shrike::agent {
namespace {

std::string who(const Event& event) {
  const Process* process = event.process;
  std::string name(event.task.name());
  if (process != nullptr && !process->exe.empty()) name = process->exe;
  return name + " (pid " + std::to_string(event.task.pid) + ", user " + std::to_string(event.task.uid) + ")";
}

Alert about(const Event& event, std::string rule, Severity severity, std::string message,
            std::vector<std::string> attack) {
  Alert alert = scoring::alert_about(event);
  alert.rule = std::move(rule);
  alert.source = AlertSource::integrity;
  alert.severity = severity;
  alert.risk = severity >= Severity::critical ? 1.0 : severity >= Severity::high ? 0.8 : 0.3;
  alert.message = std::move(message);
  alert.attack = std::move(attack);
  return alert;
}

const std::vector<std::string> impair_defences = {"T1562.001"};

std::string_view signal_text(uint64_t number) {
  switch (number) {
    case SIGKILL:
      return "SIGKILL";
    case SIGSTOP:
      return "SIGSTOP";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    case SIGSEGV:
      return "SIGSEGV";
    case SIGABRT:
      return "SIGABRT";
    default:
      return "a signal";
  }
}

}  // namespace

Alert integrity_alert(uint64_t time_ns, std::string rule, Severity severity, std::string message) {
  Alert alert;
  alert.time_ns = time_ns;
  alert.rule = std::move(rule);
  alert.source = AlertSource::integrity;
  alert.severity = severity;
  alert.risk = severity >= Severity::high ? 0.8 : severity == Severity::info ? 0.0 : 0.3;
  alert.message = std::move(message);
  return alert;
}

FilterSpec self_watch_filter() {
  FilterSpec filter;
  for (const EventKind kind :
       {EventKind::bpf, EventKind::signal, EventKind::ptrace, EventKind::vm_access, EventKind::toctou})
    filter.kinds.set(static_cast<size_t>(kind));
  return filter;
}

namespace {
void on_pose(const Event& event, std::vector<Alert>& alerts) {
  alerts.push_back(about(event, "Program poses as another", Severity::high,
                         who(event) + " has the kernel say that it runs inode " + std::to_string(event.task.exe_inode) +
                             " of device " + std::to_string(event.task.exe_dev >> 20) + ":" +
                             std::to_string(event.task.exe_dev & 0xfffff) +
                             ", without an exec of it: PR_SET_MM, or its exec was lost",
                         {"T1036"}));
}
}  // namespace

void SelfWatch::evaluate(const Event& event, std::vector<Alert>& alerts) const {
  if (event.boot_ns != 0 && event.process != nullptr && event.process->poses_since_ns == event.boot_ns)
    on_pose(event, alerts);
  switch (event.kind) {
    case EventKind::toctou: {
      std::string message = "An argument changed while the call ran: ";
      message += who(event);
      message += " asked for \"" + std::string(event.path.text.substr(0, 256)) + "\", which had become \"" +
                 std::string(event.path_at_exit.substr(0, 256)) + "\"";
      alerts.push_back(
          about(event, "Argument changed during the call", Severity::high, std::move(message), impair_defences));
      return;
    }
    case EventKind::bpf:
      return on_bpf(event, alerts);
    case EventKind::signal:
      return on_signal(event, alerts);
    case EventKind::ptrace:
    case EventKind::vm_access:
      if (self_.pid == 0 || event.target == nullptr || event.target->pid != self_.pid || event.task.pid == self_.pid)
        return;
      alerts.push_back(about(event, "Agent's memory reached for", Severity::critical,
                             who(event) + " used " + std::string(kind_name(event.kind)) + " on the Shrike agent",
                             impair_defences));
      return;
    default:
      return;
  }
}

void SelfWatch::on_bpf(const Event& event, std::vector<Alert>& alerts) const {
  if (self_.pid == 0 || event.task.pid == self_.pid) return;
  // The way to another process's program, map or link begins with its id; or with a descriptor that was taken from the
  // agent, and then the kernel side knows whose it is.
  const auto id = static_cast<uint32_t>(event.arg[1]);
  const char* what = nullptr;
  switch (event.arg[0]) {
    case BPF_PROG_GET_FD_BY_ID:
      what = self_.programs.contains(id) ? "program" : nullptr;
      break;
    case BPF_MAP_GET_FD_BY_ID:
      what = self_.maps.contains(id) ? "map" : nullptr;
      break;
    case BPF_LINK_GET_FD_BY_ID:
      what = self_.links.contains(id) ? "link" : nullptr;
      break;
    default:
      if (event.arg[4] == 1)
        what = event.arg[3] == 1 ? "map" : event.arg[3] == 2 ? "program" : event.arg[3] == 3 ? "link" : "object";
      break;
  }
  if (what == nullptr) return;
  alerts.push_back(about(event, "Agent's eBPF objects reached for", Severity::critical,
                         who(event) + " took hold of a " + what + " (id " + std::to_string(id) +
                             ") of the Shrike agent through bpf(), command " + std::to_string(event.arg[0]),
                         impair_defences));
}

void SelfWatch::on_signal(const Event& event, std::vector<Alert>& alerts) const {
  const uint64_t number = event.arg[0];
  if (self_.pid == 0 || event.arg[1] != self_.pid || event.task.pid == self_.pid || number == 0) return;
  if (number == SIGCHLD || number == SIGPIPE || number == SIGWINCH) return;
  const bool own_manager = event.task.pid == 1 || event.task.pid == self_.parent_pid;
  const bool ends = number == SIGKILL || number == SIGSTOP || number == SIGTERM || number == SIGINT ||
                    number == SIGQUIT || number == SIGABRT || number == SIGSEGV;
  const Severity severity = own_manager ? Severity::info : ends ? Severity::critical : Severity::medium;
  alerts.push_back(about(event, "Agent signalled", severity,
                         who(event) + " sent " + std::string(signal_text(number)) + " (" + std::to_string(number) +
                             ") to the Shrike agent",
                         impair_defences));
}

}  // namespace shrike::agent

#include "agent/detonate/behaviour.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>

#include "agent/detonate/calls.h"
#include "scoring/rules/engine.h"

namespace shrike::detonate {
namespace {

struct Finding {
  const char* rule;
  Severity severity;
  double risk;
  double confidence;
  const char* attack;
};

constexpr Finding for_processes = {"Reached for another process", Severity::high, 0.6, 0.8, "T1055"};
constexpr Finding for_kernel = {"Reached for the kernel", Severity::high, 0.6, 0.8, "T1068"};
constexpr Finding for_host = {"Reached for the host's files", Severity::high, 0.6, 0.8, "T1611"};
constexpr Finding for_namespaces = {"Reached for namespaces or mounts", Severity::medium, 0.35, 0.6, "T1611"};
constexpr Finding for_rings = {"Reached for calls that escape tracing", Severity::medium, 0.35, 0.6, "T1562"};
constexpr Finding for_interfaces = {"Used a foreign system call interface", Severity::high, 0.5, 0.8, "T1562"};
constexpr Finding for_terminal = {"Injected input into its terminal", Severity::high, 0.6, 0.9, "T1059"};
constexpr Finding for_raw_network = {"Reached for raw network access", Severity::medium, 0.35, 0.7, "T1040"};
constexpr Finding second_stage = {"Ran a program that it made", Severity::medium, 0.35, 0.7, "T1105"};
constexpr Finding self_deletion = {"Deleted its own program", Severity::high, 0.6, 0.9, "T1070.004"};
constexpr Finding network_wish = {"Tried to reach the network", Severity::low, 0.2, 0.6, "T1071"};
constexpr Finding network_scan = {"Tried to reach many addresses", Severity::high, 0.5, 0.7, "T1046"};
constexpr Finding analyst = {"Looked for an analyst", Severity::low, 0.2, 0.5, "T1497.001"};
constexpr Finding mass_change = {"Rewrote many files that it did not make", Severity::high, 0.6, 0.7, "T1486"};
constexpr Finding long_wait = {"Waited before it acted", Severity::low, 0.2, 0.5, "T1497.003"};
constexpr Finding violation = {"Ended at a violation of its policy", Severity::medium, 0.3, 0.9, ""};
constexpr Finding never_ends = {"Did not end in time", Severity::info, 0.1, 0.5, ""};

constexpr size_t many_addresses = 16;
constexpr size_t many_files = 20;
constexpr uint64_t long_wait_ns = 120'000'000'000;

void add(std::vector<Alert>& alerts, const Finding& finding, const Event& event, std::string message,
         std::vector<std::pair<std::string, std::string>> fields = {}) {
  Alert alert = scoring::alert_about(event);
  alert.rule = finding.rule;
  alert.source = AlertSource::sandbox;
  alert.severity = finding.severity;
  alert.risk = finding.risk;
  alert.confidence = finding.confidence;
  if (*finding.attack != '\0') alert.attack = {finding.attack};
  alert.message = std::move(message);
  alert.fields = std::move(fields);
  alerts.push_back(std::move(alert));
}

const Finding* finding_of(const sandbox::Call& call, const Event& event) {
  constexpr uint64_t namespace_flags = 0x7e020080;  // CLONE_NEW*
  if (call.abi != sandbox::CallAbi::x86_64) return &for_interfaces;
  switch (call.number) {
    case SYS_ptrace:
      return call.args[0] == PTRACE_TRACEME ? &analyst : &for_processes;
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
    case SYS_kcmp:
    case SYS_pidfd_getfd:
      return &for_processes;
    case SYS_bpf:
    case SYS_perf_event_open:
    case SYS_init_module:
    case SYS_finit_module:
    case SYS_delete_module:
    case SYS_kexec_load:
    case SYS_kexec_file_load:
    case SYS_userfaultfd:
    case SYS_add_key:
    case SYS_request_key:
    case SYS_keyctl:
    case SYS_iopl:
    case SYS_ioperm:
      return &for_kernel;
    case SYS_open_by_handle_at:
    case SYS_name_to_handle_at:
      return &for_host;
    case SYS_unshare:
    case SYS_setns:
    case SYS_clone3:
    case SYS_mount:
    case SYS_umount2:
    case SYS_pivot_root:
    case SYS_chroot:
    case SYS_move_mount:
    case SYS_open_tree:
    case SYS_fsopen:
    case SYS_fsmount:
    case SYS_mount_setattr:
      return &for_namespaces;
    case SYS_clone:
      return (call.args[0] & namespace_flags) != 0 ? &for_namespaces : nullptr;
    case SYS_io_uring_setup:
    case SYS_io_uring_enter:
    case SYS_io_uring_register:
    case SYS_seccomp:
      return &for_rings;
    case SYS_ioctl: {
      constexpr uint64_t linux_console = 0x541c;  // TIOCLINUX
      return call.args[1] == TIOCSTI || call.args[1] == linux_console ? &for_terminal : nullptr;
    }
    case SYS_socket:
      return event.socket.family != AF_UNIX ? &for_raw_network : nullptr;
    default:
      return nullptr;
  }
}

std::string program(const Event& event) {
  return event.process != nullptr && !event.process->exe.empty() ? event.process->exe : std::string(event.task.name());
}

bool is_loopback(const Socket& socket) {
  static constexpr std::array<uint8_t, 16> loopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  static constexpr std::array<uint8_t, 16> any = {};
  return socket.family == AF_INET ? socket.remote[0] == 127 || socket.remote == any
                                  : socket.remote == loopback6 || socket.remote == any;
}

std::string address_text(const Socket& socket) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(socket.family, socket.remote.data(), text, sizeof text);
  const std::string port = std::to_string(socket.remote_port);
  return socket.family == AF_INET6 ? "[" + std::string(text) + "]:" + port : std::string(text) + ":" + port;
}

/// Files that say what kind of machine this is, and who is looking.
bool tells_of_analysts(std::string_view path) {
  static constexpr std::string_view prefixes[] = {"/sys/class/dmi/",  "/sys/devices/virtual/dmi/",
                                                  "/sys/hypervisor/", "/proc/scsi/scsi",
                                                  "/proc/ide/",       "/.dockerenv",
                                                  "/proc/vz",         "/run/.containerenv"};
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [&](std::string_view prefix) { return path.starts_with(prefix); });
}

}  // namespace

void Behaviour::evaluate(const sandbox::Call& call, const Event& event, const JobProcesses& processes,
                         std::vector<Alert>& alerts) {
  if ((call.flags & (sandbox::call_denied | sandbox::call_unknown)) != 0) on_refusal(call, event, alerts);
  switch (event.kind) {
    case EventKind::exec:
      return on_exec(event, processes, alerts);
    case EventKind::unlink:
      on_unlink(event, alerts);
      return on_change(event, processes, alerts);
    case EventKind::connect:
    case EventKind::sendto:
      return on_destination(event, alerts);
    case EventKind::open:
      on_probe(event, alerts);
      return on_change(event, processes, alerts);
    case EventKind::rename:
    case EventKind::truncate:
      return on_change(event, processes, alerts);
    default:
      return;
  }
}

void Behaviour::on_refusal(const sandbox::Call& call, const Event& event, std::vector<Alert>& alerts) const {
  const Finding* finding = finding_of(call, event);
  if (finding == nullptr) return;
  const std::string name = call_text(call);
  add(alerts, *finding, event, program(event) + " called " + name + ", which the sandbox refused", {{"call", name}});
}

void Behaviour::on_exec(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  if (executed_.size() < known_most) executed_.emplace(event.real_path);
  if (processes.has_written(event.real_path))
    add(alerts, second_stage, event, "a file that the program made was run: " + std::string(event.real_path),
        {{"path", std::string(event.real_path)}});
}

void Behaviour::on_unlink(const Event& event, std::vector<Alert>& alerts) const {
  if (event.result < 0 || !executed_.contains(event.full_path)) return;
  add(alerts, self_deletion, event, program(event) + " deleted a program that was run: " + std::string(event.full_path),
      {{"path", std::string(event.full_path)}});
}

void Behaviour::on_destination(const Event& event, std::vector<Alert>& alerts) {
  const Socket& socket = event.socket;
  if ((socket.family != AF_INET && socket.family != AF_INET6) || socket.remote_port == 0 || is_loopback(socket)) return;
  const std::string address = address_text(socket);
  if (destinations_.size() < known_most) destinations_.insert(address);
  add(alerts, network_wish, event, program(event) + " tried to reach " + address, {{"address", address}});
  if (destinations_.size() < many_addresses) return;
  const std::string count = std::to_string(destinations_.size());
  add(alerts, network_scan, event, program(event) + " tried to reach " + count + " addresses, the last " + address,
      {{"addresses", count}});
}

void Behaviour::on_probe(const Event& event, std::vector<Alert>& alerts) const {
  if (!tells_of_analysts(event.full_path)) return;
  const std::string path(event.full_path);
  add(alerts, analyst, event, program(event) + " looked at " + path + ", which tells on what it runs",
      {{"path", path}});
}

// Ransomware and wipers: many files that were there before are opened to be overwritten, renamed or removed.
void Behaviour::on_change(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  constexpr uint64_t creates = 0100;
  if (event.result < 0 || event.full_path.empty()) return;
  // Of what an open makes nothing was lost. (Known only where the job had it in its books before.)
  if (event.kind == EventKind::open && ((event.arg[0] & 3) == 0 || (event.arg[0] & creates) != 0)) return;
  if (event.full_path.starts_with("/dev/") || event.full_path.starts_with("/proc/")) return;
  if (event.kind != EventKind::open && processes.has_written(event.full_path)) return;
  if (rewritten_.size() >= known_most) return;
  if (!rewritten_.emplace(event.full_path).second || rewritten_.size() < many_files) return;
  const std::string count = std::to_string(rewritten_.size());
  add(alerts, mass_change, event,
      program(event) + " changed " + count + " files that it had not made, the last " + std::string(event.full_path),
      {{"files", count}});
}

void Behaviour::at_end(const sandbox::Report& report, const Event& about, std::vector<Alert>& alerts) const {
  if (report.status == sandbox::Status::violation)
    add(alerts, violation, about, "the program was ended at a violation: " + report.cause);
  if (report.status == sandbox::Status::timed_out)
    add(alerts, never_ends, about, "the program was ended when its time was up");
  if (report.virtual_ns > report.wall_ns && report.virtual_ns - report.wall_ns > long_wait_ns) {
    const std::string seconds = std::to_string((report.virtual_ns - report.wall_ns) / 1'000'000'000);
    add(alerts, long_wait, about, "the program waited for " + seconds + " s of its own time, which were skipped",
        {{"waited_s", seconds}});
  }
}

}  // namespace shrike::detonate

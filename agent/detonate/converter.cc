#include "agent/detonate/converter.h"

#include <sys/syscall.h>

#include <algorithm>

#include "agent/detonate/call_numbers.h"
#include "agent/detonate/calls.h"
#include "agent/probe/path.h"

namespace shrike::detonate {
namespace {

using sandbox::Call;
using sandbox::CallAbi;
using sandbox::CallKind;
using sandbox::TextKind;

const std::string* text_of(const Call& call, TextKind kind) {
  for (const auto& text : call.texts)
    if (text.kind == kind) return &text.text;
  return nullptr;
}

constexpr std::string_view deleted = " (deleted)";

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

uint64_t id_of_job(std::string_view job) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash | 1;
}

/// What the call itself would have been given for `path`, made absolute as text only.
void make_absolute(std::string_view path, std::string_view resolved, std::string& out) {
  if (!path.starts_with('/')) {
    out = resolved;
    return;
  }
  std::string room(path.size() + 2, '\0');
  out = std::string(probe::absolute_path("", path, {room.data(), room.size()}));
}

/// The image's own linkers: what they write was compiled here.
bool is_linker(std::string_view exe) {
  const std::string_view name = last_of(exe);
  if (!exe.starts_with("/usr/")) return false;
  return name == "ld" || name == "mold" || name == "tcc" || name == "link" || name.starts_with("ld.") ||
         name.ends_with("-ld") || name.ends_with("-ld.bfd") || name.ends_with("-ld.gold");
}

/// The image's own tools that write what they have just read: of something compiled they make something compiled.
bool is_copier(std::string_view exe) {
  const std::string_view name = last_of(exe);
  return exe.starts_with("/usr/bin/") &&
         (name == "cp" || name == "install" || name.ends_with("strip") || name.ends_with("objcopy"));
}

bool is_interpreter(std::string_view exe) {
  static constexpr std::string_view names[] = {"sh",     "dash", "bash", "zsh", "ksh",
                                               "python", "perl", "ruby", "php", "node"};
  const std::string_view name = last_of(exe);
  // "python3.11": what follows is a version.
  return std::any_of(std::begin(names), std::end(names), [&](std::string_view one) {
    return name.starts_with(one) && name.find_first_not_of("0123456789.", one.size()) == std::string_view::npos;
  });
}

/// "/job/x" of "sh\0-e\0x"; empty where the first that is no option is missing.
std::string script_of(std::string_view exe, std::string_view arguments, std::string_view cwd) {
  if (!is_interpreter(exe)) return {};
  const bool of_letter_e =
      last_of(exe).starts_with("perl") || last_of(exe).starts_with("ruby") || last_of(exe) == "node";
  const std::string_view inline_code = of_letter_e ? "-e" : "-c";
  size_t end = arguments.find('\0');
  while (end != std::string_view::npos) {
    arguments.remove_prefix(end + 1);
    end = arguments.find('\0');
    const std::string_view word = arguments.substr(0, end);
    if (word == inline_code || word.empty()) return {};
    if (word.starts_with('-')) continue;
    std::string room(cwd.size() + word.size() + 2, '\0');
    return std::string(probe::absolute_path(cwd, word, {room.data(), room.size()}));
  }
  return {};
}

}  // namespace

Converter::Converter(ConverterOptions options)
    : options_(std::move(options)), processes_(options_.uid, options_.gid, id_of_job(options_.job)) {}

bool Converter::convert(const Call& call, Event& event) {
  event = Event{};
  if (call.kind == CallKind::start) return started(call, event);
  if (call.kind == CallKind::signal) return signalled(call, event);
  JobProcess& process = processes_.at(call.pid, call.time_ns);
  begin(call, event, process);
  if (call.kind == CallKind::exec) {
    executed(call, event, process);
  } else if (call.kind == CallKind::exit) {
    ended(call, event, process);
  } else {
    called(call, event, process);
  }
  return true;
}

void Converter::begin(const Call& call, Event& event, const JobProcess& process) const {
  event.flags = flag_sandbox;
  if ((call.flags & sandbox::call_denied) != 0) event.flags |= flag_denied;
  if (call.abi == CallAbi::i386) event.flags |= flag_compat32;
  if (call.abi == CallAbi::x32) event.flags |= flag_x32;
  event.boot_ns = call.time_ns;
  event.time_ns = call.time_ns + static_cast<uint64_t>(options_.wall_offset_ns);
  event.task = process.task;
  event.task.tid = call.tid;
}

bool Converter::started(const Call& call, Event& event) {
  const auto parent = static_cast<uint32_t>(call.args[0]);
  const bool thread = call.tid != call.pid;
  if (thread) {
    JobProcess& process = processes_.at(call.pid, call.time_ns);
    begin(call, event, process);
    event.task.tid = call.pid;
  } else {
    processes_.begin(call.pid, parent, call.time_ns);
    if (parent == 0) return false;
    begin(call, event, processes_.at(parent, call.time_ns));
    event.task.tid = parent;
  }
  event.kind = EventKind::fork;
  if (thread) event.flags |= flag_thread;
  event.arg = {call.args[1], call.pid, call.tid, processes_.find(call.pid)->task.start_ns, call.pid, 0};
  return true;
}

void Converter::executed(const Call& call, Event& event, JobProcess& process) {
  const std::string* exe = text_of(call, TextKind::exe);
  const std::string* argv = text_of(call, TextKind::argv);
  const std::string* cwd = text_of(call, TextKind::cwd);
  if (exe != nullptr) {
    process.exe = *exe;
    // What is only in memory never had a name to lose.
    if (process.exe.starts_with("/memfd:") && process.exe.ends_with(deleted))
      process.exe.resize(process.exe.size() - deleted.size());
    set_name(process.task, last_of(*exe));
  }
  event.kind = EventKind::exec;
  event.task = process.task;
  event.task.tid = call.tid;
  event.path.text = event.full_path = event.real_path = process.exe;
  if (argv != nullptr) event.path2.text = *argv;
  if (cwd != nullptr) event.cwd = *cwd;
  event.path2.truncated = (call.flags & sandbox::call_cut) != 0;
  event.arg[0] = call.tid;
  event.arg[2] = static_cast<uint64_t>(std::count(event.path2.text.begin(), event.path2.text.end(), '\0')) + 1;
  // On a host: a file that was not in the image. Here: one that the job made, other than by compiling it.
  if (processes_.has_written(process.exe) && !processes_.has_built(process.exe)) event.flags |= flag_upper;
  process.script = script_of(process.exe, event.path2.text, event.cwd);
  if (process.exe.starts_with("memfd:") || process.exe.starts_with("/memfd:")) event.flags |= flag_memfd;
}

void Converter::ended(const Call& call, Event& event, JobProcess& process) {
  const auto status = static_cast<uint32_t>(call.args[0]);
  event.kind = EventKind::exit;
  event.result = status;
  event.arg[0] = call.time_ns - std::min(call.time_ns, process.task.start_ns);
  event.arg[1] = status >> 8 & 0xff;
  event.arg[2] = status & 0x7f;
  if (call.args[1] == 0) {
    event.flags |= flag_thread;
  } else {
    process.exited = true;
  }
}

bool Converter::signalled(const Call& call, Event& event) {
  const auto sender = static_cast<uint32_t>(call.args[1]);
  // As on a host: what the kernel sends, and what a process sends itself, makes no event.
  if (sender == 0 || sender == call.pid) return false;
  const uint64_t target_start_ns = processes_.at(call.pid, call.time_ns).task.start_ns;
  begin(call, event, processes_.at(sender, call.time_ns));
  event.task.tid = sender;
  event.kind = EventKind::signal;
  event.arg = {call.args[0], call.pid, call.tid, call.args[2], target_start_ns, 0};
  return true;
}

void Converter::called(const Call& call, Event& event, JobProcess& process) {
  event.kind = EventKind::call;
  event.syscall = call.number;
  event.result = call.result;
  event.arg = call.args;
  texts(call, event);
  const uint32_t id = call_id(call);
  if (id != 0) judge(call, id, event, process);
  note_file(call, event, process);
  note_descriptors(call, process);
  if (id != 0) note_ids(call, id, process);
}

void Converter::texts(const Call& call, Event& event) {
  const bool cut = (call.flags & sandbox::call_cut) != 0;
  const std::string* path = text_of(call, TextKind::path);
  const std::string* path2 = text_of(call, TextKind::path2);
  const std::string* name = text_of(call, TextKind::name);
  const std::string* resolved = text_of(call, TextKind::full_path);
  const std::string* resolved2 = text_of(call, TextKind::full_path2);
  full_path_.clear();
  full_path2_.clear();
  if (path != nullptr) {
    event.path = {*path, cut, false};
    make_absolute(*path, resolved != nullptr ? *resolved : "", full_path_);
    event.full_path = full_path_;
  } else if (name != nullptr) {
    event.path = {*name, cut, false};
  } else {
    event.path.fault = (call.flags & sandbox::call_memory) != 0;
  }
  if (resolved != nullptr && call.result >= 0) event.real_path = *resolved;
  if (path2 != nullptr) {
    event.path2 = {*path2, cut, false};
    make_absolute(*path2, resolved2 != nullptr ? *resolved2 : "", full_path2_);
    event.full_path2 = full_path2_;
  } else if (path != nullptr && name != nullptr) {
    event.path2 = {*name, cut, false};
  }
}

void Converter::judge(const Call& call, uint32_t id, Event& event, JobProcess& process) {
  const auto first = static_cast<EventKind>(shrike_call_infos[id].first);
  if (first == EventKind::exec_failed) {
    if (call.result >= 0) return;  // told by itself
    event.kind = EventKind::exec_failed;
    const std::string* argv = text_of(call, TextKind::argv);
    event.path2 = {argv != nullptr ? std::string_view(*argv) : std::string_view(),
                   (call.flags & sandbox::call_cut) != 0, false};
    event.full_path2 = {};
    event.arg = {};
    event.arg[2] = static_cast<uint64_t>(std::count(event.path2.text.begin(), event.path2.text.end(), '\0')) + 1;
  } else if (first >= EventKind::open && first <= EventKind::chroot) {
    file(call, id, event, process);
  } else if (first >= EventKind::socket && first <= EventKind::dup) {
    network(call, id, event, process);
  } else {
    privilege(call, id, event, process);
  }
}

// Where nothing but a descriptor is given: what it is, as far as it was told; and which files the job made.
void Converter::note_file(const Call& call, Event& event, JobProcess& process) {
  const bool writes = (event.arg[0] & 3) != 0 || (event.arg[0] & 0100) != 0;
  if (event.kind == EventKind::open && call.result >= 0) {
    const std::string_view path = event.real_path.empty() ? event.full_path : event.real_path;
    process.descriptors.put(static_cast<int>(call.result), {{}, "", std::string(path)});
    if (writes)
      processes_.wrote(path, is_linker(process.exe) || (is_copier(process.exe) && processes_.has_built(process.read)));
    else
      process.read = path;
  }
  if (event.kind == EventKind::rename && call.result >= 0) processes_.moved(event.full_path, event.full_path2);
  if (event.kind == EventKind::link && call.result >= 0 && processes_.has_written(event.full_path))
    processes_.wrote(event.full_path2);
}

void Converter::note_descriptors(const Call& call, JobProcess& process) {
  if (call.result < 0) return;
  constexpr uint64_t dupfd = 0, dupfd_cloexec = 1030;
  switch (native_number(call)) {
    case SYS_close:
      return process.descriptors.close(static_cast<uint32_t>(call.args[0]), static_cast<uint32_t>(call.args[0]));
    case SYS_close_range:
      return process.descriptors.close(static_cast<uint32_t>(call.args[0]), static_cast<uint32_t>(call.args[1]));
    case SYS_fcntl:
      if (call.args[1] != dupfd && call.args[1] != dupfd_cloexec) return;
      break;
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
      break;
    default:
      return;
  }
  const auto to = static_cast<int>(call.result);
  const auto* from = process.descriptors.find(static_cast<int>(call.args[0]));
  if (from == nullptr) return process.descriptors.close(static_cast<uint32_t>(to), static_cast<uint32_t>(to));
  process.descriptors.put(to, Descriptor(*from));
}

void Converter::note_ids(const Call& call, uint32_t id, JobProcess& process) {
  if (call.result < 0) return;
  Task& task = process.task;
  constexpr uint32_t unchanged = UINT32_MAX;
  const auto set = [&](uint32_t& to, size_t argument) {
    if (static_cast<uint32_t>(call.args[argument]) != unchanged) to = static_cast<uint32_t>(call.args[argument]);
  };
  switch (id) {
    case SHRIKE_CALL_setuid:
      if (task.euid == 0) set(task.uid, 0), set(task.suid, 0);
      return set(task.euid, 0);
    case SHRIKE_CALL_setgid:
      if (task.euid == 0) set(task.gid, 0), set(task.sgid, 0);
      return set(task.egid, 0);
    case SHRIKE_CALL_setreuid:
      return set(task.uid, 0), set(task.euid, 1);
    case SHRIKE_CALL_setregid:
      return set(task.gid, 0), set(task.egid, 1);
    case SHRIKE_CALL_setresuid:
      return set(task.uid, 0), set(task.euid, 1), set(task.suid, 2);
    case SHRIKE_CALL_setresgid:
      return set(task.gid, 0), set(task.egid, 1), set(task.sgid, 2);
    case SHRIKE_CALL_prctl: {
      constexpr uint64_t set_name_option = 15;
      const std::string* name = text_of(call, TextKind::name);
      if (call.args[0] == set_name_option && name != nullptr && call.tid == call.pid) set_name(task, *name);
      return;
    }
    default:
      return;
  }
}

}  // namespace shrike::detonate

// What /proc shows of the guest's processes.

#include <cstdio>

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t maps_most = 1u << 20;

std::string line_of(const Region& region) {
  char head[128];
  const int length = std::snprintf(
      head, sizeof head, "%08llx-%08llx %c%c%c%c %08llx %s %llu ", static_cast<unsigned long long>(region.begin),
      static_cast<unsigned long long>(region.end), region.access.read ? 'r' : '-', region.access.write ? 'w' : '-',
      region.access.execute ? 'x' : '-', region.shared ? 's' : 'p', static_cast<unsigned long long>(region.offset),
      region.node ? "08:01" : "00:00", static_cast<unsigned long long>(region.node ? 1 : 0));
  std::string line(head, static_cast<size_t>(length));
  const std::string name = region.role == Role::heap ? "[heap]" : region.role == Role::stack ? "[stack]" : region.name;
  if (!name.empty()) {
    line.resize(std::max<size_t>(line.size(), 73), ' ');
    line += name;
  }
  return line + '\n';
}

char state_of(const Process& process) {
  if (process.zombie) return 'Z';
  if (process.stopped) return 'T';
  for (const auto& thread : process.threads)
    if (!thread->gone && !thread->wait) return 'R';
  return 'S';
}
}  // namespace

uint32_t System::current_process() const { return current == nullptr ? 1 : current->process->pid; }
uint32_t System::current_thread() const { return current == nullptr ? 1 : current->tid; }

std::vector<uint32_t> System::processes() const {
  std::vector<uint32_t> pids;
  for (const auto& [pid, process] : table) pids.push_back(pid);
  return pids;
}

static const Process* process_of(const System& system, uint32_t pid) {
  const auto found = system.table.find(pid);
  return found == system.table.end() ? nullptr : found->second.get();
}

std::optional<ProcessFacts> System::facts(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  if (process == nullptr) return std::nullopt;
  ProcessFacts facts;
  facts.pid = pid;
  facts.parent = process->parent;
  facts.group = process->group;
  facts.session = process->session;
  facts.comm = process->threads.empty() ? "" : process->leader().comm;
  facts.state = state_of(*process);
  facts.uid = process->credentials.uid;
  facts.gid = process->credentials.gid;
  facts.user_ns = process_cpu(*process);
  facts.start_ns = process->start_ns;
  if (process->space) {
    facts.total_bytes = process->space->total_bytes();
    facts.resident_bytes = process->space->resident_bytes();
  }
  for (const auto& thread : process->threads)
    if (!thread->gone) facts.threads.push_back(thread->tid);
  if (process->folders) facts.umask = process->folders->umask;
  facts.pending = process->pending.set();
  facts.blocked = process->threads.empty() ? 0 : process->leader().mask;
  for (int number = 1; number <= signals_count; ++number) {
    const uint64_t handler = (*process->actions)[static_cast<size_t>(number)].handler;
    (handler == 1 ? facts.ignored : facts.caught) |= handler == 0 ? 0 : signal_bit(number);
  }
  return facts;
}

std::string System::argv(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr || process->zombie ? "" : process->argv;
}

std::string System::environ(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr || process->zombie ? "" : process->environ;
}

std::string System::maps(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  std::string text;
  if (process == nullptr || !process->space) return text;
  for (const auto& [begin, region] : process->space->mappings()) {
    if (text.size() > maps_most) break;
    text += line_of(region);
  }
  return text;
}

std::shared_ptr<Node> System::exe(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr ? nullptr : process->exe_node;
}

std::optional<Place> System::place(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr || !process->folders ? std::nullopt : std::optional(process->folders->place);
}

std::vector<int> System::descriptors(uint32_t pid) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr || !process->files ? std::vector<int>{} : process->files->numbers();
}

FilePtr System::descriptor(uint32_t pid, int fd) const {
  const Process* process = process_of(*this, pid);
  return process == nullptr || !process->files ? nullptr : process->files->get(fd);
}

}  // namespace shrike::sandbox::microvm

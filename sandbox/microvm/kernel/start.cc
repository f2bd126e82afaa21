// The first process.

#include <algorithm>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t boot_least_ns = 900ull * 1'000'000'000;  // up for a quarter of an hour at least, as hosts are

std::array<struct ::rlimit, RLIM_NLIMITS> first_limits(const Limits& limits) {
  std::array<struct ::rlimit, RLIM_NLIMITS> all{};
  all.fill({RLIM_INFINITY, RLIM_INFINITY});
  all[RLIMIT_STACK].rlim_cur = 8u << 20;
  all[RLIMIT_CORE] = {0, RLIM_INFINITY};
  all[RLIMIT_NOFILE] = {1024, 4096};
  all[RLIMIT_NPROC] = {limits.processes, limits.processes};
  all[RLIMIT_MEMLOCK] = {8u << 20, 8u << 20};
  all[RLIMIT_SIGPENDING] = {signals_pending_most, signals_pending_most};
  all[RLIMIT_MSGQUEUE] = {819200, 819200};
  all[RLIMIT_NICE] = all[RLIMIT_RTPRIO] = {0, 0};
  return all;
}

}  // namespace

System::System(Cpu& the_cpu, Physical& the_physical, FileSystem& the_files, CallSink& calls, KernelOptions the_options)
    : cpu(the_cpu),
      physical(the_physical),
      files(the_files),
      sink(calls),
      options(std::move(the_options)),
      clock(options.host_ns, boot_least_ns + options.seed % boot_least_ns, options.wall_start_ns),
      random(options.seed),
      pages(physical, files, physical.size_bytes() / 4),
      pool{physical, pages, std::min(physical.size_bytes(), options.limits.memory_bytes)},
      sockets(make_sockets(files, {options.network, [this](int) { return clock.now(); }, {}})),
      hostname(options.hostname) {
  physical.set_limit(pool.limit_bytes);
  files.use_clock([this] { return clock.real(); });
  files.use_random([this](std::span<std::byte> out) { random.fill(out); });
  mount_proc(files, *this);
}

System::~System() {
  // A call in waiting holds files and may look at threads; threads hold address spaces through their processes.
  for (const auto& [tid, thread] : threads) thread->wait.reset();
  for (const auto& [pid, process] : table)
    for (const auto& thread : process->threads) cpu.forget(thread->context);
}

Result<void> System::start(const std::string& program, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment, const std::string& cwd, FilePtr input) {
  auto process = std::make_unique<Process>();
  process->pid = process->group = process->session = first_pid_ = new_pid();
  process->limits = first_limits(options.limits);
  process->start_ns = clock.now();
  process->files = std::make_shared<Descriptors>();
  process->actions = std::make_shared<SignalActions>();
  process->folders = std::make_shared<FolderState>();
  Place& place = process->folders->place;
  place.root = place.cwd = files.root();
  Found folder;
  if (const int64_t error = files.resolve(place, nullptr, cwd, true, folder); error < 0 || !folder.node)
    return Error{"the working directory " + cwd + " is not in the program's tree", ENOENT};
  place.cwd = folder.node;

  std::vector<std::string> argv = arguments.empty() ? std::vector<std::string>{program} : arguments;
  Program loaded = TRY(load(*process, program, argv, environment));
  const auto output = [this](int fd) {
    return make_output(files.store(), [this, fd](std::string_view text) {
      if (options.output) options.output(fd, text);
    });
  };
  process->files->set(0, input ? std::move(input) : make_input(files.store(), {}), false);
  process->files->set(1, output(1), false);
  process->files->set(2, output(2), false);

  auto thread = make_thread(*process);
  thread->tid = process->pid;
  thread->context.registers = loaded.registers;
  thread->comm = loaded.comm;
  process->space = std::move(loaded.space);
  process->exe = loaded.exe;
  process->exe_node = loaded.exe_node;
  process->argv = joined_words(argv);
  process->environ = joined_words(environment);
  Thread& first = *thread;
  threads.emplace(first.tid, thread.get());
  process->threads.push_back(std::move(thread));
  list_process(*process);
  tell_event(CallKind::start, first, 1, 0, 0);
  tell_event(CallKind::exec, first, 0, 0, 0,
             {{TextKind::exe, process->exe}, {TextKind::argv, process->argv}, {TextKind::cwd, cwd}});
  table.emplace(process->pid, std::move(process));
  return {};
}

}  // namespace shrike::sandbox::microvm

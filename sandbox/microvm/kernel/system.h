#pragma once
// Everything that the guest's Linux consists of, and what happens to processes in it. Handlers of calls (request.h) and
// the loop (run.cc) work on it.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"
#include "sandbox/call.h"
#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/socket.h"
#include "sandbox/microvm/kernel/futex.h"
#include "sandbox/microvm/kernel/kernel.h"
#include "sandbox/microvm/kernel/process.h"
#include "sandbox/microvm/kernel/random.h"
#include "sandbox/microvm/kernel/virtual_clock.h"

namespace shrike::sandbox::microvm {

/// What exec replaces: filled before anything of the old program is given up.
struct Program {
  std::shared_ptr<AddressSpace> space;
  Registers registers;
  std::string exe;
  std::shared_ptr<Node> exe_node;
  std::string comm;
  Credentials credentials;
};

struct CloneRequest {
  uint64_t flags = 0;
  int exit_signal = 0;
  uint64_t stack = 0;  ///< its top; 0: the parent's
  uint64_t tls = 0;
  uint64_t parent_tid = 0, child_tid = 0, pidfd = 0;
};

/// Words with a NUL behind each, as /proc shows them: of the first 64 KiB, because every process keeps its own.
std::string joined_words(const std::vector<std::string>& words);

class System final : public GuestView {
 public:
  System(Cpu& cpu, Physical& physical, FileSystem& files, CallSink& calls, KernelOptions options);
  ~System() override;

  // life.cc
  Result<void> start(const std::string& program, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, const std::string& cwd, FilePtr input);
  /// A new thread or process: its tid, or -errno (EAGAIN: too many).
  int64_t clone(Thread& parent, const CloneRequest& request);
  /// Gives a thread, or all of the process's but it, a new program.
  void become(Thread& thread, Program program, std::string argv, std::string environ);

  // end.cc
  void end_thread(Thread& thread, int32_t wait_status);
  /// All threads of it, with the status that wait4 will tell.
  void end_process(Process& process, int32_t wait_status);
  /// Takes a zombie away.
  void reap(Process& process);
  [[nodiscard]] Process* find_process(uint32_t pid);
  [[nodiscard]] Thread* find_thread(uint32_t tid);

  // shared_files.cc
  /// The memory of all shared mappings of a file. Null: none is.
  std::shared_ptr<SharedMemory> shared_file(const std::shared_ptr<Node>& node, bool make);
  /// Brings files up to date with what was written through mappings of an address space, or of one file.
  void write_back(const AddressSpace& space);
  void write_back(const Node& node);
  /// The file's content was changed otherwise: by write(2), truncate(2).
  void content_changed(const std::shared_ptr<Node>& node);

  // exec.cc
  /// Loads `path` into a new address space. Errors: code is the errno, the message why.
  Result<Program> load(const Process& process, const std::string& path, std::vector<std::string>& argv,
                       const std::vector<std::string>& environment);

  // signal_send.cc
  /// 0 or -EAGAIN. Wakes, stops, continues, ends as the signal says.
  int64_t send(Process& process, SignalInfo info);
  int64_t send(Thread& thread, SignalInfo info);
  /// A signal that cannot be blocked or ignored: from a fault. Without a handler it ends the process.
  void force(Thread& thread, SignalInfo info);
  void tell_parent(Process& process, int code, int32_t status);
  /// Whether a signal that would do something waits for the thread.
  [[nodiscard]] bool has_signal(const Thread& thread) const;

  // signal_frame.cc
  /// Delivers what waits for `thread`; false when it cannot run on (ended or stopped).
  bool deliver(Thread& thread);
  /// rt_sigreturn.
  void leave_handler(Thread& thread);

  /// What names a word of a process's memory for all that share it; nothing where a fault would be.
  std::optional<FutexKey> futex_key(AddressSpace& space, uint64_t address);
  void wake_word(Process& process, uint64_t address, uint64_t most);

  // timers.cc
  /// Fires all timers that are due; the time of the next one.
  std::optional<uint64_t> run_timers();
  void charge(Thread& thread, uint64_t ns);
  static uint64_t process_cpu(const Process& process);
  /// CLOCK_PROCESS_CPUTIME_ID and the like.
  static bool cpu_clock(int clock) { return clock == 2 || clock == 3 || clock < 0; }
  /// A timer was set: run_timers() is to be called at `when` at the latest.
  void expect_timer(uint64_t when) {
    if (when != 0 && when < timers_due_) timers_due_ = when;
  }

  // run.cc
  void run(Report& report);
  /// Ends the job; the first cause wins.
  void finish(Status status, std::string cause, int signal = 0);
  [[nodiscard]] bool finished() const { return finished_; }

  // dispatch.cc
  void call(Thread& thread);
  void foreign_call(Thread& thread);
  /// Gives a call that waited its result.
  void complete(Thread& thread, int64_t result);
  void tell(Call call);
  void tell_event(CallKind kind, const Thread& thread, uint64_t first, uint64_t second, uint64_t third,
                  std::vector<CallText> texts = {});
  /// Counts something refused or missing for the report.
  void note_refusal(const std::string& call, const char* reason);
  void note_denied();
  void note_unknown();

  // view.cc: GuestView
  [[nodiscard]] uint32_t current_process() const override;
  [[nodiscard]] uint32_t current_thread() const override;
  [[nodiscard]] std::vector<uint32_t> processes() const override;
  [[nodiscard]] std::optional<ProcessFacts> facts(uint32_t pid) const override;
  [[nodiscard]] std::string argv(uint32_t pid) const override;
  [[nodiscard]] std::string environ(uint32_t pid) const override;
  [[nodiscard]] std::string maps(uint32_t pid) const override;
  [[nodiscard]] std::shared_ptr<Node> exe(uint32_t pid) const override;
  [[nodiscard]] std::optional<Place> place(uint32_t pid) const override;
  [[nodiscard]] std::vector<int> descriptors(uint32_t pid) const override;
  [[nodiscard]] FilePtr descriptor(uint32_t pid, int fd) const override;
  [[nodiscard]] uint64_t up_ns() const override { return clock.now(); }
  [[nodiscard]] uint64_t real_ns() const override { return clock.real(); }
  [[nodiscard]] std::string host_name() const override { return hostname; }

  Cpu& cpu;
  Physical& physical;
  FileSystem& files;
  CallSink& sink;
  KernelOptions options;
  VirtualClock clock;
  Random random;
  FilePages pages;
  MemoryPool pool;
  Futexes futexes;
  std::map<uint32_t, std::unique_ptr<Process>> table;
  std::map<uint32_t, Thread*> threads;
  std::map<const Node*, std::weak_ptr<SharedMemory>> shared_files;
  uint64_t fpu_features = 3;  ///< XSTATE_BV bits that images of this CPU's have had
  std::unique_ptr<SocketWorld> sockets;
  std::string hostname;
  std::string domain = "(none)";
  Thread* current = nullptr;
  bool yielded = false;  ///< the current thread wants others to run

 private:
  Layout new_layout();
  uint32_t new_pid();
  void release(Thread& thread);
  void become_zombie(Process& process);
  void abandon_children(Process& process);
  std::unique_ptr<Thread> make_thread(Process& process);
  void sweep();

  void take(Thread& thread, const SignalInfo& info);
  void act(Thread& thread, const SignalInfo& info, const SignalAction& action);
  void set_stopped(Process& process, int signal);
  void set_running(Process& process);
  bool interrupt_wait(Thread& thread, const SignalAction& action);
  bool push_frame(Thread& thread, const SignalInfo& info, const SignalAction& action);

  void fire(Process& process, int id, PosixTimer& timer, uint64_t now);

  Thread* next_runnable();
  void run_slice(Thread& thread);
  bool try_wait(Thread& thread);
  bool skip_time();
  void handle_exit(Thread& thread, const Exit& exit);
  void handle_fault(Thread& thread, const Exit& exit);
  static std::string refused_instruction(const Thread& thread, const Exit& exit);
  void handle_exception(Thread& thread, const Exit& exit);
  bool over_limits();
  void fill(Report& report);
  void list_process(Process& process);
  void list_program(Process& process);

  uint32_t last_pid_ = 1;
  uint32_t last_run_ = 0;  // tid
  uint64_t seq_ = 0;
  uint64_t told_ = 0, dropped_ = 0;
  uint64_t calls_ = 0, denied_ = 0, unknown_ = 0;
  uint64_t cpu_ns_ = 0;
  uint64_t timers_due_ = UINT64_MAX;
  bool finished_ = false;
  Status status_ = Status::ok;
  std::string cause_;
  int signal_ = 0;
  std::optional<int32_t> first_status_;  // the first process's end
  uint32_t first_pid_ = 0;
  std::map<std::pair<std::string, std::string>, uint64_t> refusals_;
  uint64_t refusals_dropped_ = 0;
  std::vector<GuestProcess> listed_;
  uint64_t listed_dropped_ = 0;
  // Ended, but something on our stack may still look at them: until the next round of the loop.
  std::vector<std::unique_ptr<Thread>> graveyard_;
  std::vector<std::unique_ptr<Process>> dead_;
};

}  // namespace shrike::sandbox::microvm

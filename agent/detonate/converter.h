#pragma once
// Calls of a sandboxed program -> events, as the kernel's programs would have reported them on a host: same kinds, same
// arguments (bpf/shrike_event.h), so that rules judge both alike. Pure.

#include <cstdint>
#include <string>

#include "agent/detonate/job_processes.h"
#include "common/wire/event.h"
#include "sandbox/call.h"

namespace shrike::detonate {

struct ConverterOptions {
  std::string job;             ///< its id
  int64_t wall_offset_ns = 0;  ///< boot time to wall time
  uint32_t uid = 0;            ///< what the job begins as, in its own user namespace
  uint32_t gid = 0;
};

class Converter {
 public:
  explicit Converter(ConverterOptions options);

  /// Fills `event` but for its process, which a ProcessTable knows. Its views live as long as `call`, until the next
  /// call of this. A call that makes no event of a kind of its own is of kind `call`. False: no event at all (a
  /// signal of the kernel's, the first process's begin).
  bool convert(const sandbox::Call& call, Event& event);

  [[nodiscard]] const JobProcesses& processes() const { return processes_; }

 private:
  void begin(const sandbox::Call& call, Event& event, const JobProcess& process) const;
  bool started(const sandbox::Call& call, Event& event);
  void executed(const sandbox::Call& call, Event& event, JobProcess& process);
  void ended(const sandbox::Call& call, Event& event, JobProcess& process);
  bool signalled(const sandbox::Call& call, Event& event);
  void called(const sandbox::Call& call, Event& event, JobProcess& process);
  void texts(const sandbox::Call& call, Event& event);
  void judge(const sandbox::Call& call, uint32_t id, Event& event, JobProcess& process);
  void file(const sandbox::Call& call, uint32_t id, Event& event, JobProcess& process);
  void network(const sandbox::Call& call, uint32_t id, Event& event, JobProcess& process);
  void privilege(const sandbox::Call& call, uint32_t id, Event& event, JobProcess& process);
  void note_file(const sandbox::Call& call, Event& event, JobProcess& process);
  void note_descriptors(const sandbox::Call& call, JobProcess& process);
  void note_ids(const sandbox::Call& call, uint32_t id, JobProcess& process);

  ConverterOptions options_;
  JobProcesses processes_;
  std::string full_path_, full_path2_;  // room for what an event shows
  std::string socket_path_;
};

}  // namespace shrike::detonate

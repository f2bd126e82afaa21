#include "agent/respond/target.h"

namespace shrike::respond {
namespace {

Target of_task(const Task& task) {
  Target target;
  target.pid = task.pid;
  target.start_ns = task.start_ns;
  target.parent_pid = task.ppid;
  target.exe_dev = task.exe_dev;
  target.exe_inode = task.exe_inode;
  target.name = task.name();
  target.mount_namespace = task.ns_mnt;
  return target;
}

}  // namespace

Target target_of(const Event& event) {
  Target target = of_task(event.task);
  target.kernel_thread = (event.flags & flag_kthread) != 0;
  if (event.process != nullptr) target.exe = event.process->exe;
  return target;
}

Target target_of(const Process& process) {
  Target target = of_task(process.task);
  target.pid = process.pid;
  target.start_ns = process.start_ns;
  target.parent_pid = process.ppid;
  target.exe = process.exe;
  return target;
}

}  // namespace shrike::respond

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

/// The program that it was run from, whatever the kernel has been told of it since.
void take_program(Target& target, const Process& process) {
  target.exe = process.exe;
  if (process.run_inode == 0) return;
  target.exe_dev = process.run_dev;
  target.exe_inode = process.run_inode;
}

}  // namespace

Target target_of(const Event& event) {
  Target target = of_task(event.task);
  target.kernel_thread = (event.flags & flag_kthread) != 0;
  if (event.process != nullptr) take_program(target, *event.process);
  return target;
}

Target target_of(const Process& process) {
  Target target = of_task(process.task);
  target.pid = process.pid;
  target.start_ns = process.start_ns;
  target.parent_pid = process.ppid;
  take_program(target, process);
  return target;
}

}  // namespace shrike::respond

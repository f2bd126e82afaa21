#include "agent/probe/settings.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace shrike::probe {

Result<void> Settings::run(const shrike_setting& setting) const {
  bpf_attr attr{};
  attr.test.prog_fd = static_cast<__u32>(program_.get());
  attr.test.ctx_in = reinterpret_cast<__u64>(&setting);
  attr.test.ctx_size_in = sizeof setting;
  if (::syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof attr) != 0)
    return errno_error("BPF program change_setting cannot be run");
  if (attr.test.retval == EPERM)
    return errno_error("BPF program change_setting: another process has taken the agent's BPF programs over", EPERM);
  if (attr.test.retval != 0) return errno_error("BPF program change_setting", static_cast<int>(attr.test.retval));
  return {};
}

Result<void> Settings::set(shrike_active word, uint64_t value) const {
  return run({.what = word, .pad = 0, .value = value});
}

Result<void> Settings::set_objects(const shrike_objects& table) const {
  return run({.what = SHRIKE_SET_OBJECTS, .pad = 0, .value = reinterpret_cast<__u64>(&table)});
}

}  // namespace shrike::probe

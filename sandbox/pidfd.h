#pragma once
// Processes by descriptor. As system calls: the header of glibc 2.36 does not say extern "C".

#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/base/fd.h"

namespace shrike::sandbox {

/// Of a child that is not waited for yet; invalid on failure.
inline Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }
inline void kill_pidfd(const Fd& pidfd) { ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0); }

}  // namespace shrike::sandbox

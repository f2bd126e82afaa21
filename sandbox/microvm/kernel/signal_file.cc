#include "sandbox/microvm/kernel/signal_file.h"

#include <sys/signalfd.h>

#include <cstring>

namespace shrike::sandbox::microvm {

int64_t SignalFile::read(std::span<std::byte> out, std::optional<uint64_t> at) {
  if (at) return -ESPIPE;
  if (out.size() < sizeof(signalfd_siginfo)) return -EINVAL;
  Thread* reader = system_.current;
  size_t done = 0;
  while (reader != nullptr && out.size() - done >= sizeof(signalfd_siginfo)) {
    auto info = reader->pending.take(set);
    if (!info) info = reader->process->pending.take(set);
    if (!info) break;
    signalfd_siginfo told{};
    told.ssi_signo = static_cast<uint32_t>(info->number);
    told.ssi_errno = info->error;
    told.ssi_code = info->code;
    told.ssi_pid = info->pid;
    told.ssi_uid = info->uid;
    told.ssi_status = info->status;
    told.ssi_ptr = info->value;
    told.ssi_int = static_cast<int32_t>(info->value);
    told.ssi_tid = static_cast<uint32_t>(info->timer);
    std::memcpy(&out[done], &told, sizeof told);
    done += sizeof told;
  }
  return done == 0 ? -EAGAIN : static_cast<int64_t>(done);
}

uint32_t SignalFile::poll() const {
  const Thread* reader = system_.current;
  if (reader == nullptr) return 0;
  return ((reader->pending.set() | reader->process->pending.set()) & set) != 0 ? POLLIN : 0;
}

}  // namespace shrike::sandbox::microvm

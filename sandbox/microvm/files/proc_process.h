#pragma once
// /proc/PID.

#include "sandbox/microvm/files/generated.h"
#include "sandbox/microvm/files/guest_view.h"

namespace shrike::sandbox::microvm::proc {

/// What the nodes of /proc ask. Copied into each; both outlive the guest.
struct Source {
  FileSystem* files = nullptr;
  const GuestView* view = nullptr;
};

/// The folder of process `pid`, or of its thread `tid`; null: there is none.
NodePtr process_folder(const Source& source, uint32_t pid, uint32_t tid, bool thread);
/// A name that is a number without sign or leading zeros; 0: it is not one.
uint32_t number_in(std::string_view name);

/// /proc/PID/net.
NodePtr network_folder(const Source& source);

}  // namespace shrike::sandbox::microvm::proc

#pragma once
// The texts of /proc.

#include <string>

#include "sandbox/microvm/files/guest_view.h"

namespace shrike::sandbox::microvm::proc {

/// Of one process. `id`: its own or one of its threads'.
std::string status(const GuestView& view, const ProcessFacts& facts, uint32_t id);
std::string stat(const GuestView& view, const ProcessFacts& facts, uint32_t id);
std::string statm(const ProcessFacts& facts);
std::string limits();
std::string file_info(const File& file);

/// Of the guest.
std::string processors();
std::string memory(const GuestView& view);
std::string statistics(const GuestView& view);
std::string uptime(const GuestView& view);
std::string load(const GuestView& view);
std::string mounts();
std::string mount_info();

}  // namespace shrike::sandbox::microvm::proc

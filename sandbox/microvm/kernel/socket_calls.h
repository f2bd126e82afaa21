#pragma once
// What the handlers of sockets share.

#include "sandbox/microvm/files/socket.h"
#include "sandbox/microvm/kernel/request.h"
#include "sandbox/microvm/kernel/transfer.h"

namespace shrike::sandbox::microvm {

/// -EBADF, -ENOTSOCK.
int64_t find_socket(const Request& request, size_t argument, std::shared_ptr<Socket>& out);
/// Copies a sockaddr and tells it. -EINVAL: longer than 128 bytes; -EFAULT.
int64_t read_address(Request& request, uint64_t address, uint64_t length, Address& out);
/// Gives an address as accept(2) and the like do: as much as there is room for, and how long it is. Null: not wanted.
int64_t give_address(const UserMemory& memory, const Address& from, uint64_t address, uint64_t length_at);

}  // namespace shrike::sandbox::microvm

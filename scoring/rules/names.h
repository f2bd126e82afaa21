#pragma once
// Numbers of the kernel's interface as the names rules use. Pure tables; what has no name is shown as a number.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/wire/event.h"
#include "scoring/rules/field.h"
#include "scoring/rules/kind_set.h"

namespace shrike::scoring {

/// "ENOENT" for 2; empty for numbers that are no errno.
std::string_view errno_name(int64_t code);
/// Every name errno_name can give.
std::span<const std::string_view> all_errno_names();

/// Bits as "A|B|0x800"; "0" (or the name for zero) when none is set.
std::string_view open_flags(Arena& arena, uint64_t flags);
std::string_view mode_bits(Arena& arena, uint64_t mode);     ///< "S_ISUID|S_IRUSR|..."
std::string_view clone_flags(Arena& arena, uint64_t flags);  ///< also unshare and setns
std::string_view mount_flags(Arena& arena, uint64_t flags);
std::string_view protection(Arena& arena, uint64_t bits);  ///< "PROT_READ|PROT_WRITE|PROT_EXEC"
std::string_view map_flags(Arena& arena, uint64_t flags);
std::string_view capabilities(Arena& arena, uint64_t bits);  ///< "CAP_CHOWN CAP_KILL"
std::string_view memfd_flags(Arena& arena, uint64_t flags);

/// One of a list: "PTRACE_ATTACH"; decimal when it has no name.
std::string_view ptrace_request(Arena& arena, uint64_t request);
std::string_view address_family(Arena& arena, uint64_t family);  ///< "AF_INET"
std::string_view socket_type(Arena& arena, uint64_t type);       ///< "SOCK_STREAM"
std::string_view signal_name(Arena& arena, uint64_t number);     ///< "SIGKILL"
std::string_view prctl_option(Arena& arena, uint64_t option);    ///< "PR_SET_NAME"
std::string_view bpf_command(Arena& arena, uint64_t command);    ///< "BPF_PROG_LOAD"
std::string_view keyctl_operation(Arena& arena, uint64_t operation);
/// io_uring's opcode in small letters: "openat". Empty when unknown.
std::string_view uring_operation(uint64_t opcode);

/// The name of an event's system call as Falco spells it, also for i386 and x32 calls. A number that does not belong
/// to the event's kind (io_uring's work, none at all) gives the kind's usual one.
std::string_view event_type(const Event& event);
/// Every name event_type can give for a kind.
const std::vector<std::string_view>& event_types_of(EventKind kind);
/// Whether any event of ours can have this type.
bool is_event_type(std::string_view name);

}  // namespace shrike::scoring

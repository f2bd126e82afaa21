#pragma once

#include <string>
#include <string_view>

#include "common/wire/event.h"

namespace shrike::detonate {

/// The bytes of a sockaddr into one end of `socket`; `path` gets a Unix socket's, with '@' before an abstract one.
/// False when they are none. An IPv4 address in an IPv6 one becomes plain, as in the kernel's records.
bool read_sockaddr(std::string_view bytes, bool local, Socket& socket, std::string& path);

}  // namespace shrike::detonate

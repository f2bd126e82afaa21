#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace shrike::sandbox::microvm {

/// Whether bytes begin as a TLS ClientHello does, as far as there are any.
bool is_tls_hello(std::string_view bytes);
/// The server name that a ClientHello asks for (RFC 6066), in one record; nothing while it is not whole or has none.
/// `whole`: no more bytes are needed to know.
std::optional<std::string> tls_server_name(std::string_view bytes, bool& whole);

}  // namespace shrike::sandbox::microvm

#pragma once
// What the sink says to a program that believes to be on the Internet: enough that it goes on and shows what it wants.
// Everything a program sends is hostile; nothing here keeps any of it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shrike::sandbox {

/// What a server of this TCP port says first; empty where it waits for the client.
std::string_view sink_greeting(uint16_t port);
/// The answer to a client's first bytes on TCP: to HTTP a page, to a TLS hello an alert that ends it; empty to what is
/// neither.
std::string sink_answer(std::string_view first_bytes);
/// The answer to a DNS query: 203.0.113.7 (or 2001:db8::7) for every name. Nothing where it is no query.
std::optional<std::string> dns_answer(std::string_view query);

}  // namespace shrike::sandbox

#pragma once
// Calls as a sandbox tells them, made by hand.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/syscall.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/call.h"

namespace shrike::detonate::test {

using sandbox::Call;
using sandbox::CallKind;
using sandbox::TextKind;
using Texts = std::initializer_list<std::pair<TextKind, std::string>>;

/// Tells calls of one job in order: times and numbers follow by themselves.
class Teller {
 public:
  uint32_t pid = 1;

  Call thing(CallKind kind, uint32_t who, std::array<uint64_t, 6> args = {}, Texts texts = {}) {
    Call call;
    call.kind = kind;
    call.pid = call.tid = who;
    call.args = args;
    call.seq = seq_++;
    call.time_ns = time_ns_ += 1000;
    for (const auto& [text_kind, text] : texts) call.texts.push_back({text_kind, text});
    return call;
  }
  Call call(long number, std::array<uint64_t, 6> args, int64_t result = 0, Texts texts = {}) {
    Call made = thing(CallKind::call, pid, args, texts);
    made.number = static_cast<int32_t>(number);
    made.result = result;
    return made;
  }
  Call start(uint32_t child, uint32_t parent, uint64_t flags = 0) {
    return thing(CallKind::start, child, {parent, flags});
  }
  Call exec(const std::string& exe, const std::string& argv, const std::string& cwd = "/tmp") {
    return thing(CallKind::exec, pid, {}, {{TextKind::exe, exe}, {TextKind::argv, argv}, {TextKind::cwd, cwd}});
  }
  Call open(const std::string& path, uint64_t flags, int64_t result = 3) {
    return call(SYS_openat, {static_cast<uint64_t>(-100), 0, flags, 0644}, result,
                {{TextKind::path, path}, {TextKind::full_path, path}});
  }
  Call exit(uint32_t who, uint64_t status) { return thing(CallKind::exit, who, {status, 1}); }

 private:
  uint64_t seq_ = 0;
  uint64_t time_ns_ = 7'000'000'000'000;
};

inline std::string inet(const char* address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &in.sin_addr);
  return {reinterpret_cast<const char*>(&in), sizeof in};
}

inline std::string inet6(const char* address, uint16_t port) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  ::inet_pton(AF_INET6, address, &in.sin6_addr);
  return {reinterpret_cast<const char*>(&in), sizeof in};
}

}  // namespace shrike::detonate::test

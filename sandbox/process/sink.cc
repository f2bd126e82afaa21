#include "sandbox/process/sink.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sandbox/sink_answer.h"

namespace shrike::sandbox::process {

namespace {

constexpr size_t conversations_max = 64;
constexpr size_t kept_bytes = 1024;
constexpr int accepts_at_once = 16;
constexpr int backlog = 64;
constexpr uint16_t usual_ports[] = {21,   22,   23,   25,   53,   80,   110,  143,  443,  445,  465,  587,
                                    993,  1080, 1433, 1883, 3128, 3306, 3333, 3389, 4444, 5432, 5555, 6379,
                                    6667, 6697, 8000, 8080, 8081, 8443, 8888, 9001, 9050, 9090, 9999, 14444};
constexpr uint16_t usual_datagram_ports[] = {53, 123, 161, 443, 500, 514, 1900, 5353};

Fd make_socket(int family, int type, uint16_t port) {
  Fd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Fd();
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = htons(port);
    size = sizeof(sockaddr_in6);
  } else {
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(port);
  }
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return Fd();
  if (type == SOCK_STREAM) return ::listen(socket.get(), backlog) == 0 ? std::move(socket) : Fd();
  if (family == AF_INET6)
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof on);
  else
    ::setsockopt(socket.get(), IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof on);
  return socket;
}

uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

socklen_t size_of(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

/// Where a datagram was sent to.
sockaddr_storage destination_of(msghdr& message) {
  sockaddr_storage to{};
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool four = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_ORIGDSTADDR;
    const bool six = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR;
    if (four) std::memcpy(&to, CMSG_DATA(c), sizeof(sockaddr_in));
    if (six) std::memcpy(&to, CMSG_DATA(c), sizeof(sockaddr_in6));
  }
  return to;
}

/// From the address that was asked, as a client expects it; every address is ours.
size_t answer_datagram(const std::string& answer, const sockaddr_storage& from, const sockaddr_storage& to) {
  const Fd socket(::socket(from.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&from), size_of(from)) != 0) return 0;
  const ssize_t done = ::sendto(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&to), size_of(to));
  return done > 0 ? static_cast<size_t>(done) : 0;
}

}  // namespace

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port_of(address));
  }
  ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(port_of(address));
}

Result<Sink> Sink::open(bool wildcard, Record record) {
  Sink sink(std::move(record));
  size_t place = 0;
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    auto& into = type == SOCK_STREAM ? sink.listeners_ : sink.datagrams_;
    for (const int family : {AF_INET, AF_INET6}) {
      Fd socket = make_socket(family, type, 0);
      if (!socket.valid() && family == AF_INET) return errno_error("sink");
      sink.main_[place++] = socket.get();
      if (socket.valid()) into.push_back(std::move(socket));
    }
  }
  if (!wildcard) return sink;
  const auto add = [](std::vector<Fd>& into, int type, uint16_t port) {
    for (const int family : {AF_INET, AF_INET6})
      if (Fd socket = make_socket(family, type, port); socket.valid()) into.push_back(std::move(socket));
  };
  for (const uint16_t port : usual_ports) add(sink.listeners_, SOCK_STREAM, port);
  for (const uint16_t port : usual_datagram_ports) add(sink.datagrams_, SOCK_DGRAM, port);
  return sink;
}

std::array<int, 4> Sink::sockets() const { return main_; }

void Sink::watch(std::vector<pollfd>& fds) const {
  for (const auto& socket : listeners_) fds.push_back({socket.get(), POLLIN, 0});
  for (const auto& socket : datagrams_) fds.push_back({socket.get(), POLLIN, 0});
  for (const auto& conversation : conversations_) fds.push_back({conversation.socket.get(), POLLIN, 0});
}

void Sink::handle(const pollfd* fds, size_t count) {
  const auto ready = [&](int fd) {
    return std::any_of(fds, fds + count, [&](const pollfd& one) { return one.fd == fd && one.revents != 0; });
  };
  for (auto at = conversations_.begin(); at != conversations_.end();) {
    if (!ready(at->socket.get()) || hear(*at)) {
      ++at;
      continue;
    }
    record_(at->what);
    at = conversations_.erase(at);
  }
  for (const auto& socket : listeners_)
    if (ready(socket.get())) accept_from(socket.get());
  for (const auto& socket : datagrams_)
    if (ready(socket.get())) datagram_from(socket.get());
}

void Sink::close_first() {
  record_(conversations_.front().what);
  conversations_.pop_front();
}

void Sink::accept_from(int listener) {
  for (int i = 0; i < accepts_at_once; ++i) {
    Conversation conversation;
    conversation.socket = Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!conversation.socket.valid()) return;
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    ::getsockname(conversation.socket.get(), reinterpret_cast<sockaddr*>(&local), &size);
    conversation.what.protocol = "tcp";
    conversation.what.address = address_text(local);
    const auto greeting = sink_greeting(port_of(local));
    if (!greeting.empty()) {
      const ssize_t sent = ::send(conversation.socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
      conversation.what.received_bytes += sent > 0 ? static_cast<uint64_t>(sent) : 0;
    }
    if (conversations_.size() >= conversations_max) close_first();
    conversations_.push_back(std::move(conversation));
  }
}

/// False when it is over.
bool Sink::hear(Conversation& conversation) {
  char bytes[16384];
  const ssize_t got = ::recv(conversation.socket.get(), bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (got <= 0) return false;
  auto& what = conversation.what;
  const std::string_view heard(bytes, static_cast<size_t>(got));
  what.sent_bytes += heard.size();
  what.first_bytes += heard.substr(0, kept_bytes - what.first_bytes.size());
  if (conversation.answered) return true;
  const std::string answer = sink_answer(heard);
  if (answer.empty()) return true;
  conversation.answered = true;
  const ssize_t sent = ::send(conversation.socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  what.received_bytes += sent > 0 ? static_cast<uint64_t>(sent) : 0;
  // HTTP's answer says that it closes; the program's own end of it is still read.
  if (answer.starts_with("HTTP")) ::shutdown(conversation.socket.get(), SHUT_WR);
  return true;
}

void Sink::datagram_from(int socket) {
  for (int i = 0; i < accepts_at_once; ++i) {
    char bytes[4096];
    alignas(cmsghdr) char control[256];
    sockaddr_storage from{};
    iovec vector{bytes, sizeof bytes};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket, &message, MSG_TRUNC);
    if (got < 0) return;
    const sockaddr_storage to = destination_of(message);
    const std::string_view heard(bytes, std::min(static_cast<size_t>(got), sizeof bytes));
    Connection what;
    what.protocol = "udp";
    what.address = address_text(to);
    what.sent_bytes = static_cast<uint64_t>(got);
    what.first_bytes = heard.substr(0, kept_bytes);
    if (const auto answer = dns_answer(heard); answer && port_of(to) == 53)
      what.received_bytes = answer_datagram(*answer, to, from);
    record_(what);
  }
}

void Sink::finish() {
  while (!conversations_.empty()) close_first();
}

}  // namespace shrike::sandbox::process

#pragma once
// HTTP to the collector's operator API. httplib stays behind client.cc.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collector/ctl/settings.h"
#include "common/base/result.h"

namespace shrike::ctl {

/// A request's parameters; those with an empty value are left out.
using Parameters = std::vector<std::pair<std::string, std::string>>;

/// `path` with `parameters` percent-encoded behind it.
std::string url(const std::string& path, const Parameters& parameters);

class Client {
 public:
  explicit Client(Endpoint endpoint);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The whole answer, at most 64 MiB. Errors: nobody listens (Error::code is ECONNREFUSED); the token is not accepted;
  /// the collector's own sentence (EAGAIN when it says that the fault is its own).
  Result<std::string> get(const std::string& path, const Parameters& parameters);

  /// Sends `json` and gives the whole answer, at most 64 MiB. Errors: as `get`.
  Result<std::string> post(const std::string& path, const std::string& json);

  /// Calls `on_bytes` with the answer's body piece by piece; false from it ends the transfer, which is no error.
  /// `idle_s`: how long the collector may be silent. Errors: as above; "the connection broke" after some bytes have
  /// come (Error::code is ECONNRESET).
  Result<void> stream(const std::string& path, const Parameters& parameters, int idle_s,
                      const std::function<bool(std::string_view)>& on_bytes);

  /// The same cut into lines without their newline; an empty one is the collector's sign of life. Errors: also what the
  /// collector says in a last line (EAGAIN); a line of more than 4 MiB.
  Result<void> lines(const std::string& path, const Parameters& parameters, int idle_s,
                     const std::function<bool(std::string_view)>& on_line);

  /// Ends a transfer that another thread is in.
  void stop();
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

 private:
  struct Http;
  Endpoint endpoint_;
  std::unique_ptr<Http> http_;
};

}  // namespace shrike::ctl

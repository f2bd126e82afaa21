#pragma once
// Alerts to a webhook, one POST each: what Falco's http_output does, so that what reads that reads us. A second way
// out, not the first: the evidence is in the spool whatever becomes of these lines.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/pipeline.h"
#include "common/base/result.h"
#include "common/format/format.h"
#include "common/wire/alert.h"

namespace shrike::agent {

/// Where to: "http://host[:port][/path]" or https.
struct HttpTarget {
  bool tls = false;
  std::string host;
  uint16_t port = 0;
  std::string path = "/";
};
/// Errors: another scheme, user names or fragments, no host, a port that is none, blanks and controls.
Result<HttpTarget> parse_http_url(std::string_view url);

struct HttpOptions {
  HttpTarget target;
  Format format = Format::falco;
  Severity severity = Severity::info;  ///< this and above
  std::string ca_file;                 ///< who may have signed the server's certificate; empty: the system's
  uint32_t timeout_ms = 5000;          ///< to connect, and for the answer
  uint32_t queue_max = 1024;           ///< alerts that wait
  size_t queue_max_bytes = 8u << 20;
  std::string version;  ///< for the User-Agent
};

class HttpOutput {
 public:
  /// Starts its thread, which resolves and connects.
  explicit HttpOutput(HttpOptions options);
  ~HttpOutput();
  HttpOutput(const HttpOutput&) = delete;
  HttpOutput& operator=(const HttpOutput&) = delete;

  /// Takes an alert into the queue; never waits. When that is full the oldest goes, and is counted.
  void post(const Alert& alert);

  struct Counts {
    uint64_t posted = 0;
    uint64_t dropped = 0;   ///< the queue was full
    uint64_t refused = 0;   ///< the server does not want it (a 3xx or 4xx that no repeating mends)
    uint64_t failures = 0;  ///< attempts that failed and were or will be repeated
    size_t queued = 0;
    std::string last_error;
  };
  [[nodiscard]] Counts counts() const;
  /// Once a second, from another thread: breaks off a request that hangs.
  void look_after();
  /// Waits at most `patience_ms` for the queue to empty, then ends the thread. What is left counts as dropped.
  void stop(uint32_t patience_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Everything goes to the first; alerts also to the second, where there is one.
class Outputs : public Sink {
 public:
  explicit Outputs(Sink& first) : first_(first) {}
  void set_http(HttpOutput* http) { http_ = http; }
  void event(const Event& event) override { first_.event(event); }
  void alert(const Alert& alert) override {
    first_.alert(alert);
    if (http_ != nullptr) http_->post(alert);
  }

 private:
  Sink& first_;
  HttpOutput* http_ = nullptr;
};

}  // namespace shrike::agent

#pragma once
// The API's JSON objects as lines for people. Every function takes what came over the wire and trusts none of it.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/format/format.h"

namespace shrike::ctl {

/// An alert of the operator contract with `latency_us` set to `now_ns` less its time. Errors: not such an alert.
Result<std::string> alert_as_json(std::string_view line, uint64_t now_ns);
Result<std::string> alert_as_text(std::string_view line, bool colour);
/// The same in any format. `now_ns` is for json's latency; only text has colour.
Result<std::string> alert_as(Format format, std::string_view line, uint64_t now_ns, bool colour);
/// A verdict: time, verdict, node, lane, seq, events and the reason.
Result<std::string> verdict_as_text(std::string_view line, bool colour);
/// A decoded event: time, node, kind, pid, name and what it is about.
Result<std::string> event_as_text(std::string_view line, bool colour);
/// One sandboxed job: time, node, risk, how it ended, what it was, and the first reason.
Result<std::string> detonation_as_text(std::string_view line, bool colour);
/// One command: when it was issued, node, kind, id, state and why.
Result<std::string> command_as_text(std::string_view line, bool colour);
/// Tables of `GET /v1/nodes` and `GET /v1/status`, lines with newlines between.
Result<std::string> nodes_as_text(std::string_view json, uint64_t now_ns, bool colour);
Result<std::string> status_as_text(std::string_view json, bool colour);

/// What tells an alert or a verdict from every other one, over restarts of the collector; and its time.
struct Identity {
  uint64_t key = 0;
  uint64_t time_ns = 0;
};
Result<Identity> identity_of(std::string_view line);

}  // namespace shrike::ctl

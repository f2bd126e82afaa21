// `shrike query`: what is stored, and the proof of one event.

#include "collector/ctl/client.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/show.h"
#include "collector/ctl/times.h"
#include "common/base/clock.h"

namespace shrike::ctl {
namespace {

/// Moments are made absolute here, so that a duration means the same however long the way to the collector takes.
std::string moment(const std::string& text) {
  return text.empty() ? std::string() : rfc3339(parse_moment(text, wall_now_ns()).value());
}

Parameters parameters_of(const QueryOptions& o) {
  Parameters out{{"node", o.node}, {"since", moment(o.since)}, {"until", moment(o.until)}};
  if (o.limit != 0) out.push_back({"limit", std::to_string(o.limit)});
  if (o.what == "events") {
    out.push_back({"lane", o.lane});
    out.push_back({"kind", o.kind});
    out.push_back({"job", o.job});
    if (o.pid) out.push_back({"pid", std::to_string(*o.pid)});
  } else if (o.what == "detonations" || o.what == "commands") {
    out.push_back({"id", o.job});
  } else if (o.what == "alerts") {
    out.push_back({"severity", o.severity});
    out.push_back({"rule", o.rule});
  }
  return out;
}

Result<std::string> format(const QueryOptions& o, std::string_view line, bool colour) {
  if (o.format == Format::json) return std::string(line);  // as it is stored, latency included
  if (o.what == "alerts") return alert_as(o.format, line, 0, colour);
  if (o.what == "detonations") return detonation_as_text(line, colour);
  if (o.what == "commands") return command_as_text(line, colour);
  return o.what == "verdicts" ? verdict_as_text(line, colour) : event_as_text(line, colour);
}

int export_proof(const QueryOptions& o, Client& client, Output& out) {
  const auto proof = client.get("/v1/proof", {{"node", o.node},
                                              {"lane", o.lane},
                                              {"boot", o.boot},
                                              {"seq", std::to_string(o.seq)},
                                              {"index", std::to_string(o.index)}});
  if (!proof.ok()) {
    complain(proof.error().message);
    return exit_failed;
  }
  std::string text = *proof;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  out.line(text);
  return exit_ok;
}

}  // namespace

int run_query(const QueryOptions& options, const Endpoint& endpoint, Output& out) {
  Client client(endpoint);
  if (options.proof) return export_proof(options, client, out);
  uint64_t shown = 0;
  const auto end = client.lines("/v1/" + options.what, parameters_of(options), 300, [&](std::string_view line) {
    if (line.empty()) return true;
    ++shown;
    const auto text = format(options, line, out.colour());
    if (text.ok()) return out.line(*text);
    complain("left out a line of the collector: " + text.error().message);
    return true;
  });
  if (out.closed()) return exit_ok;
  if (!end.ok()) {
    complain(end.error().message);
    return exit_failed;
  }
  if (shown == options.limit) complain("these are the newest " + with_commas(shown) + "; --limit 0 prints all");
  return exit_ok;
}

}  // namespace shrike::ctl

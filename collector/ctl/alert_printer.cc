#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/ctl/commands.h"
#include "collector/ctl/demo.h"
#include "collector/ctl/seen.h"
#include "collector/ctl/show.h"
#include "common/base/clock.h"
#include "common/wire/alert.h"

namespace shrike::ctl {

AlertPrinter::AlertPrinter(Endpoint endpoint, uint64_t since_ns, bool json, Output& out, int wake)
    : client_(std::move(endpoint)), json_(json), out_(out), wake_(wake), thread_([this, since_ns] { run(since_ns); }) {}

AlertPrinter::~AlertPrinter() { stop(); }

std::map<std::string, uint64_t> AlertPrinter::stop() {
  stopping_ = true;
  client_.stop();
  if (thread_.joinable()) thread_.join();
  return by_severity_;
}

void AlertPrinter::run(uint64_t since_ns) {
  Seen seen;
  const auto print = [&](std::string_view line) {
    if (line.empty()) return !out_.reader_gone();
    const auto id = identity_of(line);
    const auto alert = alert_from_json(line);
    const auto text = json_ ? alert_as_json(line, wall_now_ns()) : alert_as_text(line, out_.colour());
    if (!id.ok() || !alert.ok() || !text.ok()) {
      complain("left out a line of the collector: " + (alert.ok() ? "no alert" : alert.error().message));
      return true;
    }
    if (!seen.add(id->key)) return true;
    ++by_severity_[std::string(severity_name(alert->severity))];
    ++count_;
    return out_.line(*text);
  };
  // An idle connection ends after a minute; what came meanwhile is asked for again, what was shown is left out.
  while (!stopping_ && !out_.reader_gone()) {
    const auto end = client_.lines("/v1/alerts", {{"since", rfc3339(since_ns)}, {"follow", "1"}}, 60, print);
    if (!end.ok() && end.error().code != ECONNRESET && end.error().code != ETIMEDOUT) break;
  }
  const uint64_t one = 1;
  if (out_.reader_gone()) (void)!write(wake_, &one, sizeof one);
}

}  // namespace shrike::ctl

// `shrike tail`: alerts as they come, over restarts of the collector.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "collector/ctl/client.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/seen.h"
#include "collector/ctl/show.h"
#include "collector/ctl/times.h"
#include "common/base/clock.h"

namespace shrike::ctl {
namespace {

// Nodes that were cut off deliver late; after a reconnect we ask again for this much and leave out what we showed.
constexpr uint64_t overlap_ns = 10ull * 60 * 1'000'000'000;
constexpr int idle_s = 60;

class Tail {
 public:
  Tail(const TailOptions& options, Output& out) : options_(options), out_(out), started_ns_(wall_now_ns()) {}

  Parameters parameters() const {
    Parameters out{{"node", options_.node}};
    if (!options_.verdicts) {
      out.push_back({"severity", options_.severity});
      out.push_back({"rule", options_.rule});
    }
    if (options_.follow) out.push_back({"follow", "1"});
    if (again_) {
      const uint64_t last = std::max(newest_ns_, started_ns_);
      out.push_back({"since", rfc3339(std::max(since_ns_, last > overlap_ns ? last - overlap_ns : 0))});
    } else if (!options_.since.empty()) {
      out.push_back({"since", rfc3339(since_ns_)});
    } else if (options_.follow) {
      out.push_back({"limit", "0"});  // nothing of what is stored; not `since` now, which would hide what comes late
    }
    return out;
  }

  /// False when nobody reads our output any more.
  bool show(std::string_view line) {
    if (line.empty()) return !out_.reader_gone();
    const auto id = identity_of(line);
    if (!id.ok()) return warn(id.error());
    if (!seen_.add(id->key)) return true;
    newest_ns_ = std::max(newest_ns_, id->time_ns);
    const auto text = format(line);
    return text.ok() ? out_.line(*text) : warn(text.error());
  }

  void set_since(uint64_t ns) { since_ns_ = ns; }
  void connected_again() { again_ = true; }

 private:
  Result<std::string> format(std::string_view line) const {
    if (options_.verdicts) {
      return options_.format == Format::json ? Result<std::string>(std::string(line))
                                             : verdict_as_text(line, out_.colour());
    }
    return alert_as(options_.format, line, wall_now_ns(), out_.colour());
  }
  bool warn(const Error& error) {
    complain("left out a line of the collector: " + error.message);
    return true;
  }

  const TailOptions& options_;
  Output& out_;
  Seen seen_;
  uint64_t started_ns_;
  uint64_t since_ns_ = 0;  ///< what --since says
  uint64_t newest_ns_ = 0;
  bool again_ = false;
};

}  // namespace

int run_tail(const TailOptions& options, const Endpoint& endpoint, Output& out) {
  // Every line is written whole before the next is asked for: ending at once loses nothing.
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, [](int) { _exit(exit_ok); });
  Tail tail(options, out);
  // Without --since, what comes between now and a lost connection is asked for again from now on.
  tail.set_since(options.since.empty() ? wall_now_ns() : parse_moment(options.since, wall_now_ns()).value());
  const std::string path = options.verdicts ? "/v1/verdicts" : "/v1/alerts";
  bool connected = false, away = false;
  std::string last_trouble;
  auto pause = std::chrono::milliseconds(100);
  for (;;) {
    Endpoint now = endpoint;
    // A collector that was set up anew has another token.
    if (const auto token = read_token(endpoint.token_file); token.ok()) now.token = *token;
    Client client(now);
    bool got = false;
    const auto end = client.lines(path, tail.parameters(), idle_s, [&](std::string_view line) {
      got = true;
      if (away) complain("the collector answers again");
      away = false;
      pause = std::chrono::milliseconds(100);
      return tail.show(line);
    });
    if (out.reader_gone()) return exit_ok;
    if (!options.follow && end.ok()) return exit_ok;
    const int code = end.ok() ? 0 : end.error().code;
    const bool passing =
        end.ok() || code == ECONNRESET || (connected && (code == ECONNREFUSED || code == ETIMEDOUT || code == EAGAIN));
    if (!passing) {
      complain(end.error().message);
      return exit_failed;
    }
    // Such as that we were too slow for it: asked again, nothing is lost.
    if (code == EAGAIN && end.error().message != last_trouble) complain(last_trouble = end.error().message);
    if (code == ECONNREFUSED && !away) complain("the collector at " + now.address() + " went away; waiting for it");
    away = away || code == ECONNREFUSED;
    connected = connected || got || end.ok() || code == ECONNRESET;
    tail.connected_again();
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(2000));
  }
}

}  // namespace shrike::ctl

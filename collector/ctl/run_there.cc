// A job on a node: ordered at the collector, which signs and delivers it.

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "collector/ctl/client.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/run.h"
#include "collector/ctl/settings.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t delivery_s = 120;  // to a node that is there, and its queue
constexpr int look_every_ms = 300;
constexpr uint64_t report_patience_ns = 120 * second_ns;  // after the node said that it is done

Result<std::string> bytes_of(const Fd& file) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return errno_error("fstat");
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::pread(file.get(), bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error("a file of the job");
    at += static_cast<size_t>(n);
  }
  return bytes;
}

Result<std::string> request_of(const RunOptions& options, const RunJob& job) {
  Json files = Json::array();
  files.push_back(base64(TRY(bytes_of(job.files.program))));
  if (job.job.has_input) files.push_back(base64(TRY(bytes_of(job.files.input))));
  for (const Fd& file : job.files.files) files.push_back(base64(TRY(bytes_of(file))));
  const auto life_s = delivery_s + static_cast<uint64_t>(job.job.limits.wall.count()) / 1000;
  const Json request = {{"node", options.node},
                        {"kind", "detonate"},
                        {"expires_s", life_s},
                        {"job", Json::parse(sandbox::job_to_json(job.job), nullptr, false)},
                        {"files", std::move(files)}};
  return request.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The first object of an answer in lines; nothing when it has none.
Result<std::optional<Json>> first_of(Client& client, const std::string& path, const Parameters& parameters) {
  std::optional<Json> found;
  TRY_VOID(client.lines(path, parameters, 60, [&](std::string_view line) {
    if (line.empty()) return true;
    Json json = Json::parse(line, nullptr, false);
    if (json.is_object()) found = std::move(json);
    return !found;
  }));
  return found;
}

std::string text_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Result<sandbox::Report> report_of(const Json& line, const RunOptions& options, const RunOutput& output) {
  const auto detail = line.find("detail");
  if (detail == line.end() || !detail->is_object() || !detail->contains("report"))
    return Error{"the report of node " + options.node + " is none"};
  const auto printed = [&](const char* key) {
    auto bytes = unbase64(text_of(*detail, key));
    return bytes ? std::move(bytes).value() : std::string();
  };
  if (output.out) output.out(printed("stdout_base64"));
  if (output.err) output.err(printed("stderr_base64"));
  auto report =
      TRY(sandbox::report_from_json((*detail)["report"].dump(-1, ' ', false, Json::error_handler_t::replace)));
  const auto evidence = line.find("evidence");
  if (evidence != line.end() && evidence->is_object() && evidence->contains("seq"))
    report.evidence +=
        ", verified by the collector: lane " + text_of(*evidence, "lane") + ", batch " + (*evidence)["seq"].dump();
  return report;
}

}  // namespace

Result<sandbox::Report> run_there(const RunOptions& options, const ApiOptions& api, const RunJob& job,
                                  const RunOutput& output, int stop_fd) {
  Client client(TRY(find_endpoint(api)));
  Progress progress;
  progress.show("handing the job to the collector");
  const std::string request = TRY(request_of(options, job));
  TRY(client.post("/v1/commands", request));
  const Parameters ours{{"id", job.job.id}, {"node", options.node}};
  uint64_t done_ns = 0;
  std::string state;
  for (;;) {
    // The report may come before the word that it is done.
    if (state == "started" || state == "done" || state == "failed")
      if (const auto line = TRY(first_of(client, "/v1/detonations", ours))) return report_of(*line, options, output);
    const auto command = TRY(first_of(client, "/v1/commands", ours));
    if (!command) return Error{"the collector no longer knows the order " + job.job.id};
    state = text_of(*command, "state");
    const std::string reason = printable(text_of(*command, "reason"));
    if (state == "refused" || state == "expired" || state == "failed")
      return Error{"node " + options.node + ": " + state + (reason.empty() ? "" : ": " + reason)};
    if (state == "done" && done_ns == 0) done_ns = boot_now_ns();
    if (done_ns != 0 && boot_now_ns() > done_ns + report_patience_ns)
      return Error{"node " + options.node + " has run it, but its report does not come: see shrike query detonations"};
    progress.show("node " + options.node + ": " + (state == "queued" ? "not delivered yet" : printable(state)));
    pollfd stop{stop_fd, POLLIN, 0};
    if (::poll(&stop, 1, look_every_ms) > 0)
      return Error{"stopped waiting; node " + options.node + " goes on with the job: shrike query detonations --job " +
                   job.job.id};
  }
}

}  // namespace shrike::ctl

#include "collector/ctl/profiles.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "collector/ctl/client.h"
#include "collector/ctl/commands.h"
#include "collector/ctl/times.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? printable(found->get<std::string>()) : std::string();
}

uint64_t number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

std::string date_of(const std::string& time) { return time.substr(0, 10); }

Result<void> each_line(std::string_view lines, const std::function<void(const Json&, const Json& nodes)>& each) {
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("error")) return Error{text(json, "error")};
    const auto nodes = json.is_object() ? json.find("nodes") : json.end();
    if (!json.is_object() || nodes == json.end() || !nodes->is_array())
      return Error{"the collector's answer holds a line that is no program's profiles"};
    each(json, *nodes);
  }
  return {};
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

Result<void> export_file(const ProfilesOptions& options, Client& client, const Parameters& parameters) {
  const std::string bytes = TRY(client.get("/v1/profiles/fleet", parameters));
  return write_file_atomic(options.file, bytes);
}

Result<void> send(const ProfilesOptions& options, Client& client, const Parameters& parameters, Output& out) {
  const std::string bytes = TRY(client.get("/v1/profiles/fleet", parameters));
  for (const std::string& node : options.nodes) {
    const Json order = {{"node", node}, {"kind", "profile"}, {"body", base64(bytes)}};
    const std::string answer = TRY(client.post("/v1/commands", order.dump()));
    const Json command = Json::parse(answer, nullptr, false);
    out.line("ordered " + (command.is_object() ? text(command, "id") : std::string()) + ": " + printable(node) +
             " takes them in (shrike query commands tells)");
  }
  return {};
}

}  // namespace

Result<std::string> profiles_as_text(std::string_view lines, bool colour) {
  Table table({"PROGRAM", "MODIFIED", "NODES", "SHARED", "LEFT OUT"});
  for (const size_t column : {2u, 3u, 4u}) table.right(column);
  size_t programs = 0;
  TRY_VOID(each_line(lines, [&](const Json& program, const Json& nodes) {
    ++programs;
    table.row({text(program, "path"), date_of(text(program, "modified")), with_commas(nodes.size()),
               with_commas(number(program, "known")), with_commas(number(program, "left_out"))});
  }));
  if (programs == 0) return std::string("no profiles: nodes ship them once programs are learned ([sequence] mode)\n");
  return joined(table.lines(colour));
}

Result<std::string> programs_as_text(std::string_view lines, uint64_t now_ns, bool colour) {
  std::string out;
  TRY_VOID(each_line(lines, [&](const Json& program, const Json& nodes) {
    if (!out.empty()) out += "\n";
    out += text(program, "path") + ", modified " + text(program, "modified") + "\n" +
           with_commas(number(program, "known")) + " sequences of calls that at least " +
           with_commas(number(program, "min_nodes")) + " nodes know, " + with_commas(number(program, "left_out")) +
           " that fewer do\n";
    Table table({"NODE", "RECEIVED", "CALLS", "KNOWN", "ALONE", ""});
    for (const size_t column : {2u, 3u, 4u}) table.right(column);
    for (const Json& node : nodes) {
      if (!node.is_object()) continue;
      const auto received = rfc3339_ns(text(node, "received"));
      const bool full = node.value("full", false);
      table.row({text(node, "node"),
                 received && *received <= now_ns ? short_duration(std::chrono::nanoseconds(now_ns - *received)) + " ago"
                                                 : text(node, "received"),
                 with_commas(number(node, "calls")), with_commas(number(node, "known")),
                 with_commas(number(node, "alone")), full ? "full" : ""});
    }
    out += joined(table.lines(colour));
  }));
  if (out.empty()) return std::string("no such program\n");
  return out;
}

int run_profiles(const ProfilesOptions& options, const Endpoint& endpoint, Output& out) {
  using What = ProfilesOptions::What;
  Client client(endpoint);
  const Parameters parameters{{"node", options.node},
                              {"path", options.path},
                              {"since", options.since},
                              {"min_nodes", std::to_string(options.min_nodes)}};
  const auto failed = [](const Error& error) {
    complain(error.message);
    return exit_failed;
  };
  if (options.what == What::export_file) {
    const auto written = export_file(options, client, parameters);
    return written.ok() ? exit_ok : failed(written.error());
  }
  if (options.what == What::send) {
    const auto sent = send(options, client, parameters, out);
    return sent.ok() ? exit_ok : failed(sent.error());
  }
  const auto lines = client.get("/v1/profiles", parameters);
  if (!lines.ok()) return failed(lines.error());
  if (options.json) {
    out.raw(*lines);
    return exit_ok;
  }
  const auto shown = options.what == What::show ? programs_as_text(*lines, wall_now_ns(), out.colour())
                                                : profiles_as_text(*lines, out.colour());
  if (!shown.ok()) return failed(shown.error());
  out.raw(*shown);
  return exit_ok;
}

}  // namespace shrike::ctl

#include "collector/ctl/report.h"

#include <nlohmann/json.hpp>

#include "collector/ctl/output.h"
#include "collector/ctl/show.h"
#include "collector/ctl/times.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using Json = nlohmann::ordered_json;
using collector::CheckedProof;
using collector::Problem;
using collector::VerifyReport;

std::string boot_hex(const BootId& boot) { return hex({reinterpret_cast<const char*>(boot.data()), boot.size()}); }

std::string_view outcome_name(VerifyReport::Outcome outcome) {
  switch (outcome) {
    case VerifyReport::Outcome::proven:
      return "proven";
    case VerifyReport::Outcome::refuted:
      return "refuted";
    case VerifyReport::Outcome::unknown:
      break;
  }
  return "could not tell";
}

std::string painted(std::string_view text, bool good, bool colour) {
  if (!colour) return std::string(text);
  return (good ? "\033[1;32m" : "\033[1;31m") + std::string(text) + "\033[0m";
}

std::string counted(uint64_t number, const char* one, const char* many) {
  return with_commas(number) + " " + (number == 1 ? one : many);
}

std::string place(const Problem& problem) {
  std::string out = problem.node.empty() ? "?" : printable(problem.node) + "/" + std::string(lane_name(problem.lane));
  if (problem.seq != 0) out += " " + std::to_string(problem.seq);
  if (problem.last_seq > problem.seq) out += ".." + std::to_string(problem.last_seq);
  return out;
}

std::string head_line(const VerifyReport& report, bool colour) {
  const auto outcome = report.outcome();
  std::string line = painted(outcome_name(outcome), outcome == VerifyReport::Outcome::proven, colour) + ": " +
                     counted(report.batches, "batch", "batches") + ", " + counted(report.events, "event", "events");
  if (report.problem_count > 0) {
    line += ", " + counted(report.problem_count, "finding", "findings");
    if (!report.problems.empty()) line += "; first bad batch: " + place(report.problems.front());
  } else if (outcome == VerifyReport::Outcome::unknown && report.unknown_nodes.empty()) {
    line += ": there is nothing to verify";
  }
  return line;
}

Json losses_json(const Losses& losses) {
  Json out = Json::array();
  for (const auto& [key, count] : losses) {
    out.push_back({{"cause", key.cause}, {"class", key.loss_class}, {"count", count}});
  }
  return out;
}

std::string dump(const Json& json);

/// The proven event with what its batch's header proves of it; an alert does not carry its place itself.
Json placed(const CheckedProof& proof) {
  Json event = Json::parse(proof.event, nullptr, false);
  if (!event.is_object()) return event;
  event["node"] = proof.node;
  event["evidence"] = {{"lane", lane_name(proof.lane)},
                       {"boot", boot_hex(proof.boot)},
                       {"seq", proof.seq},
                       {"index", proof.index},
                       {"verdict", "proven"}};
  event.erase("latency_us");
  return event;
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string short_boot(const BootId& boot) { return boot_hex(boot).substr(0, 8); }

Exit exit_of(const VerifyReport& report) {
  switch (report.outcome()) {
    case VerifyReport::Outcome::proven:
      return exit_ok;
    case VerifyReport::Outcome::refuted:
      return exit_failed;
    case VerifyReport::Outcome::unknown:
      break;
  }
  return exit_usage;
}

std::vector<std::string> report_as_text(const VerifyReport& report, bool colour) {
  std::vector<std::string> out{head_line(report, colour)};
  for (const Problem& problem : report.problems) {
    out.push_back("  " + std::string(tamper_name(problem.tamper)) + ": " + printable(problem.sentence));
  }
  if (report.problem_count > report.problems.size()) {
    out.push_back("  and " + with_commas(report.problem_count - report.problems.size()) + " more");
  }
  for (const std::string& node : report.unknown_nodes) {
    out.push_back("  no key of node " + printable(node) +
                  " is known: nothing can be told of its batches (--keys FILE)");
  }
  for (const std::string& note : report.notes) out.push_back("  " + printable(note));
  if (report.chains.empty()) return out;
  Table table({"NODE", "LANE", "BATCHES", "EVENTS", "HEAD", "BOOTS", "DROPPED", "LOST"});
  for (const size_t column : {2u, 3u, 5u, 6u, 7u}) table.right(column);
  for (const auto& [name, chain] : report.chains) {
    uint64_t lost = 0;
    for (const auto& [key, count] : chain.losses) lost += count;
    table.row({printable(name.first), std::string(lane_name(name.second)), with_commas(chain.batches),
               with_commas(chain.events), short_boot(chain.head.boot) + ":" + std::to_string(chain.head.seq),
               with_commas(chain.boots), with_commas(chain.dropped_events), with_commas(lost)});
  }
  for (std::string& line : table.lines(colour)) out.push_back("  " + std::move(line));
  return out;
}

std::string report_as_json(const VerifyReport& report) {
  Json chains = Json::array();
  for (const auto& [name, chain] : report.chains) {
    chains.push_back({{"node", name.first},
                      {"lane", lane_name(name.second)},
                      {"boot", boot_hex(chain.head.boot)},
                      {"seq", chain.head.seq},
                      {"hash", chain.head.hash_known ? Json(hex(as_bytes(chain.head.hash))) : Json(nullptr)},
                      {"batches", chain.batches},
                      {"events", chain.events},
                      {"boots", chain.boots},
                      {"dropped_batches", chain.dropped_batches},
                      {"dropped_events", chain.dropped_events},
                      {"losses", losses_json(chain.losses)},
                      {"first_time", rfc3339(chain.first_time_ns)},
                      {"last_time", rfc3339(chain.last_time_ns)},
                      {"unlinked", chain.unlinked}});
  }
  Json problems = Json::array();
  for (const Problem& problem : report.problems) {
    problems.push_back({{"tamper", tamper_name(problem.tamper)},
                        {"node", problem.node},
                        {"lane", problem.node.empty() ? "" : lane_name(problem.lane)},
                        {"boot", problem.node.empty() ? "" : boot_hex(problem.boot)},
                        {"seq", problem.seq},
                        {"last_seq", problem.last_seq},
                        {"segment", problem.at.segment},
                        {"offset", problem.at.offset},
                        {"sentence", problem.sentence}});
  }
  const auto outcome = report.outcome();
  return dump({{"outcome", outcome == VerifyReport::Outcome::unknown ? "unknown" : outcome_name(outcome)},
               {"batches", report.batches},
               {"events", report.events},
               {"problem_count", report.problem_count},
               {"problems", std::move(problems)},
               {"unknown_nodes", report.unknown_nodes},
               {"notes", report.notes},
               {"chains", std::move(chains)}});
}

std::vector<std::string> proof_as_text(const CheckedProof& proof, bool key_known, bool colour) {
  const std::string where = printable(proof.node) + "/" + std::string(lane_name(proof.lane)) + " " +
                            std::to_string(proof.seq) + ", event " + std::to_string(proof.index);
  if (!proof.proven) return {painted("refuted", false, colour) + ": " + where + ": " + printable(proof.reason)};
  std::vector<std::string> out{painted("proven", true, colour) + ": " + where + ", sealed " +
                               rfc3339(proof.sealed_time_ns)};
  out.push_back(
      "  signed by " + proof.key.to_hex() +
      (key_known ? ", the node's key" : ": compare it with the node's (shrike nodes --json, or --keys FILE)"));
  Json event = placed(proof);
  event["latency_us"] = 0;
  const auto text = event_as_text(dump(event), colour);
  out.push_back("  " + (text.ok() ? *text : printable(proof.event)));
  return out;
}

std::string proof_as_json(const CheckedProof& proof, bool key_known) {
  return dump({{"outcome", proof.proven ? "proven" : "refuted"},
               {"node", proof.node},
               {"lane", lane_name(proof.lane)},
               {"boot", boot_hex(proof.boot)},
               {"seq", proof.seq},
               {"index", proof.index},
               {"sealed_time", rfc3339(proof.sealed_time_ns)},
               {"key", proof.key.to_hex()},
               {"key_known", key_known},
               {"reason", proof.reason},
               {"event", placed(proof)}});
}

}  // namespace shrike::ctl

#include "collector/ctl/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "collector/ctl/times.h"
#include "common/base/clock.h"
#include "common/wire/alert.h"
#include "common/wire/batch.h"
#include "common/wire/command.h"
#include "common/wire/event.h"
#include "common/wire/subjects.h"

#ifndef SHRIKE_VERSION
#define SHRIKE_VERSION "0.0.0"
#endif

namespace shrike::ctl {
namespace {

// CLI11 asks a check for a sentence: empty means good.
template <class T>
std::string complaint(const Result<T>& result) {
  return result.ok() ? std::string() : result.error().message;
}
std::string check_moment(const std::string& text) { return complaint(parse_moment(text, wall_now_ns())); }
std::string check_node(const std::string& text) { return complaint(check_node_id(text)); }
std::string check_kind(const std::string& text) {
  return kind_named(text) ? std::string() : "'" + text + "' is no kind of event (exec, open, connect, ...)";
}
std::string check_lane(const std::string& text) {
  return lane_named(text) ? std::string() : "'" + text + "' is no lane: alerts or telemetry";
}
std::string check_severity(const std::string& text) {
  return severity_named(text) ? std::string() : "'" + text + "' is no severity: critical, high, medium, low or info";
}
std::string check_format(const std::string& text) {
  return format_named(text) ? std::string() : "'" + text + "' is no format: " + std::string(format_names());
}

void add_format(CLI::App& app, Format& format) {
  app.add_option_function<std::string>(
         "--format", [&format](const std::string& text) { format = *format_named(text); },
         "Of alerts: " + std::string(format_names()))
      ->type_name("FORMAT")
      ->check(check_format);
  app.add_flag_callback(
      "--json", [&format] { format = Format::json; }, "The same as --format json");
}

/// The other formats are made of alerts.
void check_fits(Format format, bool alerts) {
  if (alerts || format == Format::text || format == Format::json) return;
  throw CLI::ValidationError("--format",
                             std::string(format_name(format)) + " is for alerts: only text and json fit here");
}

void add_time_range(CLI::App& app, std::string& since, std::string* until) {
  app.add_option("--since", since, "From this time on: RFC 3339, or a duration back from now (10m)")
      ->type_name("TIME")
      ->check(check_moment);
  if (until == nullptr) return;
  app.add_option("--until", *until, "Up to this time")->type_name("TIME")->check(check_moment);
}

void add_node(CLI::App& app, std::string& node) {
  app.add_option("--node", node, "Only this node")->type_name("NODE")->check(check_node);
}

void add_tail(CLI::App& root, TailOptions& o) {
  CLI::App* app = root.add_subcommand("tail", "Print alerts as they come, until Ctrl-C");
  add_time_range(*app, o.since, nullptr);
  app->add_option("--severity", o.severity, "Only this severity and above: critical, high, medium, low, info")
      ->type_name("SEVERITY")
      ->check(check_severity);
  add_node(*app, o.node);
  app->add_option("--rule", o.rule, "Only alerts of this rule")->type_name("RULE");
  add_format(*app, o.format);
  app->add_flag("--verdicts", o.verdicts, "Print the verifier's verdict on each batch instead of alerts");
  app->add_flag_callback(
      "--follow", [&o] { o.follow = true; }, "Go on with what comes; the default");
  app->add_flag_callback(
      "--no-follow", [&o] { o.follow = false; }, "End after what is stored");
  app->callback([&o] { check_fits(o.format, !o.verdicts); });
}

void add_query(CLI::App& root, QueryOptions& o) {
  CLI::App* app = root.add_subcommand("query", "Print stored events, alerts or verdicts; export a proof");
  app->add_option("what", o.what, "events (default), alerts, verdicts, detonations or commands")
      ->check(CLI::IsMember({"events", "alerts", "verdicts", "detonations", "commands"}));
  app->add_option("--job", o.job, "Of this sandboxed job")->type_name("ID")->check([](const std::string& id) {
    return complaint(check_command_id(id));
  });
  add_node(*app, o.node);
  app->add_option("--lane", o.lane, "Events of this lane: alerts or telemetry")->type_name("LANE")->check(check_lane);
  add_time_range(*app, o.since, &o.until);
  app->add_option("--kind", o.kind, "Events of this kind: exec, open, connect, ...")
      ->type_name("KIND")
      ->check(check_kind);
  app->add_option("--pid", o.pid, "Events of this process")->type_name("PID");
  app->add_option("--severity", o.severity, "Alerts of this severity and above")
      ->type_name("SEVERITY")
      ->check(check_severity);
  app->add_option("--rule", o.rule, "Alerts of this rule")->type_name("RULE");
  app->add_option("--limit", o.limit, "Only the newest so many, 0 for all")
      ->type_name("N")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  add_format(*app, o.format);
  CLI::Option* proof = app->add_flag("--proof", o.proof, "Export one event with its proof, for `shrike verify --file`");
  CLI::Option* seq = app->add_option("--seq", o.seq, "Proof: the batch, as in an alert's evidence")->type_name("SEQ");
  CLI::Option* index = app->add_option("--index", o.index, "Proof: the event in the batch, from 0")->type_name("INDEX");
  CLI::Option* boot =
      app->add_option("--boot", o.boot, "Proof: the node's boot id, when not the newest")->type_name("HEX");
  for (CLI::Option* option : {seq, index, boot}) option->needs(proof);
  app->callback([&o, seq] {
    check_fits(o.format, o.what == "alerts");
    if (o.proof && (o.node.empty() || o.lane.empty() || seq->count() == 0)) {
      throw CLI::ValidationError("--proof", "needs --node, --lane and --seq (see an alert's evidence)");
    }
  });
}

void add_verify(CLI::App& root, VerifyOptions& o) {
  CLI::App* app = root.add_subcommand(
      "verify", "Prove or refute evidence: the collector's, a state directory's or an exported proof's");
  add_node(*app, o.node);
  add_time_range(*app, o.since, nullptr);
  CLI::Option* state =
      app->add_option("--state", o.state, "A kept state directory, with nothing running")->type_name("DIR");
  app->add_option("--file", o.file, "A proof made by `shrike query --proof`")->type_name("FILE")->excludes(state);
  app->add_option("--keys", o.keys, "The nodes' keys from this file (node = \"hex key\") instead of the collector's")
      ->type_name("FILE");
  app->add_flag("--json", o.json, "Print the result as one JSON object");
  app->callback([&o] {
    if (!o.state.empty() && !o.since.empty()) {
      throw CLI::ValidationError("--state", "excludes --since: a directory is checked as a whole");
    }
    if (!o.file.empty() && (!o.node.empty() || !o.since.empty())) {
      throw CLI::ValidationError("--file", "excludes --node and --since: a proof is about one event");
    }
  });
}

void add_demo(CLI::App& root, DemoOptions& o) {
  CLI::App* app = root.add_subcommand("demo", "Run everything on this host: nats-server, collector and agent (root)");
  app->add_option_function<std::string>(
         "--for", [&o](const std::string& text) { o.duration = parse_duration(text).value(); },
         "End after this time; without it, at Ctrl-C")
      ->type_name("DURATION")
      ->check([](const std::string& text) {
        const auto duration = parse_duration(text);
        return duration.ok() && duration->count() == 0 ? std::string("must be longer than nothing")
                                                       : complaint(duration);
      });
  app->add_flag("--json", o.json, "Alerts as JSON lines; the summary as JSON on standard error");
  app->add_option("--state", o.state, "Keep keys, evidence and logs in this directory")->type_name("DIR");
  app->add_option("--rules", o.rules, "Use these rule files instead of the default ones")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--metrics", o.metrics, "Serve the agent's metrics here")->type_name("ADDRESS:PORT");
  app->add_flag("--verbose,-v", o.verbose, "Say what is started and where it logs");
}

struct RulesOptions {
  RulesCheckOptions check;
  RulesExplainOptions explain;
  RulesTestOptions test;
};

void add_rules(CLI::App& root, RulesOptions& o) {
  constexpr const char* files =
      "Rule files, in the order they are loaded; those that come with Shrike when none is given";
  CLI::App* rules = root.add_subcommand("rules", "Work with rule files");
  rules->require_subcommand(1);
  CLI::App* check = rules->add_subcommand("check", "Say of each rule whether it loads, and why not");
  check->add_flag("--json", o.check.json, "One JSON object a rule");
  check->add_option("files", o.check.files, "Rule files, in the order they are loaded")->type_name("FILE")->required();

  CLI::App* explain = rules->add_subcommand("explain", "Say what a rule asks, of which events, and at what cost");
  explain->add_flag("--json", o.explain.json, "One JSON object");
  explain->add_option("rule", o.explain.rule, "The rule's name")->type_name("RULE")->required();
  explain->add_option("files", o.explain.files, files)->type_name("FILE");

  CLI::App* test = rules->add_subcommand("test", "Say which rules match in a capture, and how often");
  test->add_option("--capture", o.test.capture, "Records written by shrike-agent --capture")
      ->type_name("FILE")
      ->required();
  test->add_flag("--all", o.test.all, "Also the rules that did not match, and which had no chance to");
  test->add_option("--expect", o.test.expect, "Fail unless this rule matches; may be repeated")
      ->type_name("RULE")
      ->allow_extra_args(false);
  test->add_flag("--json", o.test.json, "One JSON object a rule, with its first alert");
  test->add_option("files", o.test.files, files)->type_name("FILE");
}

void add_score(CLI::App& root, ScoreOptions& o) {
  using scoring::sequence::CallNotation;
  CLI::App* app = root.add_subcommand("score", "Say how unusual traces of system calls are, compared with normal ones");
  app->add_option("--fit", o.fit, "Normal traces to learn from, one a line: name, tab, calls")
      ->type_name("FILE")
      ->required();
  app->add_option("--input", o.input, "Traces to score; - for standard input")->type_name("FILE");
  app->add_option("--save", o.save, "Keep what was learnt here, for an agent's [sandbox] background")
      ->type_name("FILE");
  app->callback([&o] {
    if (o.input.empty() && o.save.empty()) throw CLI::RequiredError("--input or --save");
  });
  app->add_option_function<std::string>(
         "--calls",
         [&o](const std::string& text) { o.calls = text == "names" ? CallNotation::names : CallNotation::numbers; },
         "How calls are written: numbers (default) or names, those of x86-64")
      ->type_name("NOTATION")
      ->check(CLI::IsMember({"numbers", "names"}));
  app->add_flag("--json", o.json, "One JSON object a trace, with the score of each detector");
}

std::string check_mapping(const std::string& text) {
  const size_t colon = text.rfind(":/");
  return colon == std::string::npos || colon == 0 ? "'" + text + "': write HOST:GUEST, GUEST absolute" : std::string();
}

void add_run(CLI::App& root, RunOptions& o) {
  CLI::App* app = root.add_subcommand(
      "run", "Run a program that nobody trusts in a sandbox, and say what it did, how risky that was and why");
  app->add_option_function<std::string>(
         "--backend",
         [&o](const std::string& text) {
           o.backend = text == "microvm" ? sandbox::Backend::microvm : sandbox::Backend::process;
         },
         "process (default): namespaces on this kernel; microvm: a virtual machine")
      ->type_name("BACKEND")
      ->check(CLI::IsMember({"process", "microvm"}));
  app->add_option_function<std::string>(
         "--profile",
         [&o](const std::string& text) {
           o.profile = text == "strict" ? sandbox::Profile::strict : sandbox::Profile::observe;
         },
         "observe (default): what is refused gets an error; strict: it ends the program")
      ->type_name("PROFILE")
      ->check(CLI::IsMember({"strict", "observe"}));
  app->add_option_function<std::string>(
         "--network",
         [&o](const std::string& text) {
           o.network = text == "none" ? sandbox::Network::none : sandbox::Network::sink;
         },
         "sink (default): everything answers, nothing leaves; none")
      ->type_name("NETWORK")
      ->check(CLI::IsMember({"sink", "none"}));
  app->add_option_function<std::string>(
         "--timeout",
         [&o](const std::string& text) {
           o.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(parse_duration(text).value());
         },
         "End it after this time (default 1m)")
      ->type_name("DURATION")
      ->check([](const std::string& text) {
        const auto duration = parse_duration(text);
        return duration.ok() && *duration < std::chrono::milliseconds(1) ? std::string("must be longer than nothing")
                                                                         : complaint(duration);
      });
  app->add_option("--memory", o.memory_bytes, "Most memory, such as 256MiB")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false));
  app->add_option("--input", o.input, "Standard input from this file; - for ours")->type_name("FILE");
  app->add_option("--file", o.files, "Put this file in; may be repeated")
      ->type_name("HOST:GUEST")
      ->allow_extra_args(false)
      ->check(check_mapping);
  app->add_option("--node", o.node, "Run it there, by a signed command of the collector's")
      ->type_name("NODE")
      ->check(check_node);
  app->add_option("--id", o.id, "The job's name; one that was there before is not run again")
      ->type_name("ID")
      ->check([](const std::string& id) { return complaint(check_command_id(id)); });
  app->add_option("--agent", o.agent, "The agent's socket; empty to do without it")
      ->type_name("SOCKET")
      ->capture_default_str();
  app->add_option("--sandbox", o.sandbox, "shrike-sandbox's socket, without an agent")
      ->type_name("SOCKET")
      ->capture_default_str();
  app->add_flag("--json", o.json, "One JSON object on standard output: the whole report, and what the program printed");
  app->add_flag("--exit-code", o.exit_code, "End with the program's own code: 128 and the signal, 124 out of time");
  app->add_option("command", o.command, "The program and its arguments, after --")->type_name("PROGRAM")->required();
}

void add_profiles(CLI::App& root, ProfilesOptions& o) {
  CLI::App* profiles = root.add_subcommand("profiles", "What nodes know of their programs' calls, and the fleet of it");
  profiles->require_subcommand(1);
  const auto subcommand = [&](const char* name, const char* about, ProfilesOptions::What what) {
    CLI::App* app = profiles->add_subcommand(name, about);
    app->callback([&o, what] { o.what = what; });
    app->add_option("--min-nodes", o.min_nodes, "Sequences of calls count when at least so many nodes know them")
        ->type_name("N")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    add_time_range(*app, o.since, nullptr);
    return app;
  };
  constexpr const char* path = "Only programs at this path; * and ? stand for any characters";
  CLI::App* list = subcommand("list", "One line for each program", ProfilesOptions::What::list);
  add_node(*list, o.node);
  list->add_option("--path", o.path, path)->type_name("PATTERN");
  list->add_flag("--json", o.json, "One JSON object a program");
  CLI::App* show = subcommand("show", "Each node's part in one program's profile", ProfilesOptions::What::show);
  show->add_option("program", o.path, "The program's path; * and ? stand for any characters")
      ->type_name("PATH")
      ->required();
  show->add_flag("--json", o.json, "One JSON object a program");
  CLI::App* to_file = subcommand("export", "Write what enough nodes know to a file that agents take in, signed",
                                 ProfilesOptions::What::export_file);
  to_file->add_option("file", o.file, "The file; [sequence] import in agent.toml names it")
      ->type_name("FILE")
      ->required();
  to_file->add_option("--path", o.path, path)->type_name("PATTERN");
  CLI::App* send = subcommand("send", "Order nodes to take in what enough nodes know", ProfilesOptions::What::send);
  send->add_option("nodes", o.nodes, "To whom")->type_name("NODE")->required();
  send->add_option("--path", o.path, path)->type_name("PATTERN");
}

}  // namespace

std::variant<Invocation, Stop> parse_options(std::vector<std::string> arguments) {
  Invocation result;
  TailOptions tail;
  QueryOptions query;
  NodesOptions nodes;
  StatusOptions status;
  ProfilesOptions profiles;
  VerifyOptions verify;
  DemoOptions demo;
  RulesOptions rules;
  ScoreOptions score;
  RunOptions run;

  CLI::App app("Watch a fleet with Shrike: alerts, events and the proof of them.", "shrike");
  app.set_version_flag("--version", std::string("shrike " SHRIKE_VERSION));
  app.require_subcommand(1);
  app.fallthrough();
  app.get_formatter()->column_width(32);
  app.add_option("--api", result.api.address, "The collector's operator API (default 127.0.0.1:9477)")
      ->type_name("ADDRESS:PORT")
      ->envname("SHRIKE_API");
  app.add_option("--token-file", result.api.token_file, "File with the API's token")
      ->type_name("FILE")
      ->envname("SHRIKE_TOKEN_FILE");
  app.add_option("--config", result.api.config, "Configuration file (default /etc/shrike/shrike.toml)")
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "--color",
         [&result](const std::string& text) {
           result.colour = text == "always" ? Colour::always : text == "never" ? Colour::never : Colour::automatic;
         },
         "auto, always or never")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.footer(
      "Exit codes: 0 done (verify: proven), 1 failed (verify: refuted), 2 wrong use (verify: could not tell).\n"
      "See shrike(1).");

  add_tail(app, tail);
  add_query(app, query);
  app.add_subcommand("nodes", "List the nodes, their state and what they lost")
      ->add_flag("--json", nodes.json, "One JSON array");
  add_verify(app, verify);
  app.add_subcommand("status", "Say how the collector does")->add_flag("--json", status.json, "One JSON object");
  add_profiles(app, profiles);
  add_demo(app, demo);
  add_rules(app, rules);
  add_score(app, score);
  add_run(app, run);

  try {
    std::reverse(arguments.begin(), arguments.end());
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    const int code = app.exit(error, out, err);
    return code == 0 ? Stop{exit_ok, out.str()} : Stop{exit_usage, "shrike: " + err.str()};
  }
  if (app.got_subcommand("tail")) result.command = tail;
  if (app.got_subcommand("query")) result.command = query;
  if (app.got_subcommand("nodes")) result.command = nodes;
  if (app.got_subcommand("profiles")) result.command = profiles;
  if (app.got_subcommand("verify")) result.command = verify;
  if (app.got_subcommand("status")) result.command = status;
  if (app.got_subcommand("demo")) result.command = demo;
  if (const CLI::App* what = app.get_subcommand("rules"); what->parsed()) {
    if (what->got_subcommand("check")) result.command = rules.check;
    if (what->got_subcommand("explain")) result.command = rules.explain;
    if (what->got_subcommand("test")) result.command = rules.test;
  }
  if (app.got_subcommand("score")) result.command = score;
  if (app.got_subcommand("run")) result.command = run;
  return result;
}

}  // namespace shrike::ctl

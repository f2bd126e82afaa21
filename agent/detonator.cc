#include "agent/detonator.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <optional>

#include "agent/detonate/evidence.h"
#include "common/base/clock.h"
#include "common/wire/codec.h"

namespace shrike::agent {
namespace {

constexpr size_t waiting_max = 64;
constexpr double risky = 0.5, very_risky = 0.8;

/// What a job's scoring gives goes into the outbox.
class ToOutbox : public detonate::Sink {
 public:
  explicit ToOutbox(Outbox& outbox) : outbox_(outbox) {}
  void event(const Event& event) override {
    std::string bytes;
    encode_event(event, bytes);
    if (!outbox_.put_event(std::move(bytes), event.time_ns)) ++refused_;
  }
  void alert(const Alert& alert) override { outbox_.put({"", alert.time_ns, alert, false}); }
  [[nodiscard]] uint64_t refused() const { return refused_; }

 private:
  Outbox& outbox_;
  uint64_t refused_ = 0;
};

Outbox::Item report_event(const sandbox::Job& job, const std::string& detail) {
  Event event;
  event.kind = EventKind::detonation;
  event.time_ns = wall_now_ns();
  event.flags = flag_sandbox;
  event.path.text = job.id;
  event.path2.text = job.caller;
  event.detail = detail;
  Outbox::Item item;
  item.time_ns = event.time_ns;
  encode_event(event, item.event);
  return item;
}

std::string percent(double share) { return std::to_string(static_cast<int>(share * 100 + 0.5)) + " %"; }

Alert risk_alert(const sandbox::Job& job, const sandbox::Report& report) {
  Alert alert;
  alert.time_ns = wall_now_ns();
  alert.rule = "Risky program detonated";
  alert.source = AlertSource::sandbox;
  alert.severity = report.risk >= very_risky ? Severity::high : Severity::medium;
  alert.risk = report.risk;
  alert.confidence = 0.8;
  alert.tree_risk = report.risk;
  alert.uid = "job-" + job.id;
  const std::string name = job.arguments.empty() ? job.program : job.arguments.front();
  alert.message = name + " was run in a sandbox for " + job.caller + ": risk " + percent(report.risk);
  if (!report.reasons.empty()) alert.message += ", above all: " + report.reasons.front().message;
  alert.process.name = name.substr(name.rfind('/') + 1);
  alert.process.exe = job.program;
  alert.process.container_id = job.id.substr(0, 12);
  for (const auto& argument : job.arguments)
    alert.process.cmdline += (alert.process.cmdline.empty() ? "" : " ") + argument;
  alert.process.cmdline.resize(std::min<size_t>(alert.process.cmdline.size(), 4096));
  alert.fields = {{"job", job.id},
                  {"caller", job.caller},
                  {"program_sha256", report.program_sha256},
                  {"status", std::string(sandbox::status_name(report.status))}};
  return alert;
}

}  // namespace

Detonator::Detonator(DetonatorOptions options, Outbox& outbox)
    : options_(std::move(options)), outbox_(outbox), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

/// Says where a job runs, for as long as it does.
class Placed {
 public:
  explicit Placed(OwnJobs* own) : own_(own) {}
  ~Placed() { end(); }
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;
  void begin(const sandbox::JobPlace& place) {
    end();
    place_ = place;
    if (own_ != nullptr) own_->begin(place);
  }
  void end() {
    if (own_ != nullptr && place_) own_->end(*place_, boot_now_ns());
    place_.reset();
  }

 private:
  OwnJobs* own_;
  std::optional<sandbox::JobPlace> place_;
};

/// One of the places for jobs that run.
class Detonator::Turn {
 public:
  explicit Turn(Detonator& of) : of_(of) {}
  ~Turn() {
    if (!have_) return;
    const std::lock_guard lock(of_.mutex_);
    --of_.running_;
    of_.turn_.notify_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  Result<void> take() {
    std::unique_lock lock(of_.mutex_);
    if (of_.waiting_ >= waiting_max)
      return Error{"too many jobs are waiting on this node already (" + std::to_string(waiting_max) + ")", EBUSY};
    ++of_.waiting_;
    of_.turn_.wait(lock, [&] { return of_.stopping_ || of_.running_ < of_.options_.jobs; });
    --of_.waiting_;
    if (of_.stopping_) return Error{"the agent is stopping", ECANCELED};
    ++of_.running_;
    have_ = true;
    return {};
  }

 private:
  Detonator& of_;
  bool have_ = false;
};

Result<sandbox::Report> Detonator::run(const sandbox::Job& job, const sandbox::JobFiles& files, const JobWatch& watch) {
  Turn turn(*this);
  TRY_VOID(turn.take());
  auto report = run_now(job, files, watch);
  const std::lock_guard lock(mutex_);
  ++counts_.jobs;
  if (!report) ++counts_.failed;
  if (report) counts_.events_dropped += report->events_dropped;
  return report;
}

Result<sandbox::Report> Detonator::run_now(const sandbox::Job& job, const sandbox::JobFiles& files,
                                           const JobWatch& watch) {
  // The agent may not start programs: without a service there is nobody to run it.
  if (::access(options_.service.c_str(), F_OK) != 0)
    return Error{"no sandbox service at " + options_.service + ": is shrike-sandbox running?", ENOENT};
  scoring::RuleSet rules = TRY(options_.rules());
  ToOutbox sink(outbox_);
  detonate::DetonationOptions options;
  options.converter.job = job.id;
  for (const auto& file : job.files) options.given.push_back(file.path);
  options.converter.wall_offset_ns = wall_offset_ns();
  options.node = options_.node;
  options.background = options_.background;
  detonate::Detonation detonation(std::move(options), rules, sink);
  detonate::OutputHead out, err;
  sandbox::ClientOptions client;
  client.socket = options_.service;
  client.own = false;
  auto running = TRY(sandbox::JobClient::start(client, job, files));
  sandbox::JobEvents events;
  events.out = [&](std::string_view bytes) {
    out.add(bytes);
    if (watch.out) watch.out(bytes);
  };
  events.err = [&](std::string_view bytes) {
    err.add(bytes);
    if (watch.err) watch.err(bytes);
  };
  events.call = [&](const sandbox::Call& call) { detonation.call(call); };
  events.begun = watch.begun;
  Placed placed(options_.own);
  events.placed = [&](const sandbox::JobPlace& place) { placed.begin(place); };
  auto ended = running.finish(events, watch.stop_fd >= 0 ? watch.stop_fd : stop_.get());
  placed.end();
  sandbox::Report report;
  if (ended) {
    report = std::move(ended).value();
  } else if (detonation.counts().calls == 0) {
    return ended.error();
  } else {
    // What it did until then is evidence all the same.
    report.id = job.id;
    report.backend = job.backend;
    report.profile = job.profile;
    report.status = sandbox::Status::internal_error;
    report.cause = ended.error().message;
  }
  detonation.finish(report);
  report.evidence = "signed by node " + options_.node;
  outbox_.put(report_event(job, detonate::detail_of(report, out, err)));
  if (report.risk >= risky) {
    Alert alert = risk_alert(job, report);
    alert.node = options_.node;
    outbox_.put({"", alert.time_ns, std::move(alert), false});
  }
  if (sink.refused() > 0) {
    const std::lock_guard lock(mutex_);
    counts_.events_dropped += sink.refused();
  }
  return report;
}

void Detonator::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  turn_.notify_all();
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
}

Detonator::Counts Detonator::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.running = running_;
  return counts;
}

}  // namespace shrike::agent

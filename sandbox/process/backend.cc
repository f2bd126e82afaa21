#include "sandbox/process/backend.h"

#include "sandbox/process/run.h"

namespace shrike::sandbox::process {

namespace {

size_t place_of(Profile profile, Network network) {
  return static_cast<size_t>(profile) * 2 + static_cast<size_t>(network);
}

}  // namespace

Result<Filters> Filters::build() {
  Filters filters;
  for (const Profile profile : {Profile::strict, Profile::observe}) {
    for (const Network network : {Network::none, Network::sink}) {
      Policy policy = policy_for(profile, network);
      auto ebpf = TRY(policy_filter(policy, profile == Profile::strict ? Answer::kill : Answer::error, false));
      auto notify = TRY(policy_filter(policy, Answer::notify, true));
      filters.all_.push_back({std::move(policy), std::move(ebpf), std::move(notify)});
    }
  }
  return filters;
}

const Filters::One& Filters::of(Profile profile, Network network) const { return all_[place_of(profile, network)]; }

Result<void> ProcessBackend::prepare() {
  InitPlan plan;
  plan.view = options_.view;
  plan.may_set_groups = ::geteuid() == 0;
  plan.all_ports = options_.tracers != nullptr && options_.tracers->brings_ports();
  plan.limit_data = options_.cgroups->with("memory") == nullptr;
  ready_ = TRY(Sandbox::prepare(*options_.cgroups, plan, options_.name, options_.uid));
  if (plan.all_ports) TRY_VOID(options_.tracers->bring_ports(*ready_, ready_->sink_sockets()));
  ready_->close_sink_sockets();
  if (options_.tracers == nullptr) return {};
  if (auto done = options_.tracers->prepare(*ready_); !done) {
    options_.no_tracers = "calls are told by notification: " + done.error().message;
    options_.tracers = nullptr;
  }
  return {};
}

Report ProcessBackend::run(const Job& job, JobFiles files, Teller& teller) {
  Report report;
  report.id = job.id;
  report.backend = Backend::process;
  report.profile = job.profile;
  auto prepared = ready_ ? Result<void>() : prepare();
  if (prepared) {
    Run run(options_, job, *ready_, teller);
    prepared = run.set_up(std::move(files));
    if (prepared) run.watch();
    run.finish(report);
    ready_.reset();
  }
  if (!prepared) {
    report.status = Status::setup_error;
    report.cause = prepared.error().message;
  }
  teller.fill(report);
  return report;
}

}  // namespace shrike::sandbox::process

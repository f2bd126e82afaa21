#include "sandbox/microvm/run.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <limits>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr int tick_ms = 50;
constexpr int idle_ms = 2;  // nothing was said for so long: there is time for the program's hash
// The machine keeps its limits by itself; one that does not, or does not answer, is ended so long after.
constexpr uint64_t grace_ns = 2'000'000'000;

uint64_t limit_ns(std::chrono::milliseconds limit) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(limit).count());
}

/// The machine names what it refused in short. `seen`, made of the calls, has the words that the other backend has, and
/// what was outside the program's files too.
void name_refusals(std::vector<Refusal>& refusals, std::vector<Refusal> seen) {
  const auto base = [](std::string_view call) { return call.substr(0, call.find_first_of("(:")); };
  for (auto& one : refusals) {
    const auto same = std::find_if(seen.begin(), seen.end(),
                                   [&](const Refusal& other) { return base(other.call) == base(one.call); });
    if (same == seen.end()) {
      seen.push_back(std::move(one));  // no call: a trap, memory used up
    } else if (same->call == base(one.call) && one.call != same->call) {
      same->call = std::move(one.call);
    }
  }
  refusals = std::move(seen);
  refusals.resize(std::min(refusals.size(), report_list_max));
}

}  // namespace

GuestRun::GuestRun(Vmm& vmm, const Job& job, Teller& teller)
    : vmm_(vmm), job_(job), teller_(teller), summary_(teller), start_ns_(boot_now_ns()), cpu_start_ns_(vmm.cpu_ns()) {}

Result<void> GuestRun::begin(JobFiles files) {
  Fd program = TRY(sealed_copy(std::move(files.program), "program"));
  std::vector<int> fds{program.get()};
  if (job_.has_input) fds.push_back(files.input.get());
  for (const Fd& file : files.files) fds.push_back(file.get());
  start_ns_ = boot_now_ns();
  summary_.begin(start_ns_, job_.program);
  Channel channel{Fd(::dup(vmm_.channel()))};
  // Where it has gone, what it said before is still to be read.
  static_cast<void>(channel.send(sandbox::Frame::job, job_to_json(job_), fds));
  program_.emplace(std::move(program));
  return {};
}

void GuestRun::watch() {
  bool hashed = false;
  while (!report_ && !end_) {
    pollfd fds[] = {{vmm_.channel(), static_cast<short>(teller_.has_room() ? POLLIN : 0), 0},
                    {vmm_.broker().fd(), POLLIN, 0},
                    {teller_.fd(), teller_.wanted(), 0},
                    {vmm_.ended_fd(), POLLIN, 0}};
    if (::poll(fds, std::size(fds), hashed ? tick_ms : idle_ms) == 0 && !hashed) {
      const auto whole = program_->more();
      hashed = !whole || *whole;
    }
    if ((fds[1].revents & POLLIN) != 0)
      if (const auto served = vmm_.broker().serve(); !served) end(Status::internal_error, served.error().message);
    // What it said before its end is told before it.
    if (fds[0].revents != 0) hear();
    teller_.exchange();
    if (fds[3].revents != 0 && !report_) {
      hear();
      if (!report_) ended_by_itself();
    }
    look_at_time();
  }
}

void GuestRun::hear() {
  const auto more = vmm_.frames().read();
  if (!more) return end(Status::internal_error, more.error().message);
  while (!end_ && !report_) {
    const auto frame = vmm_.frames().next();
    if (!frame) return end(Status::internal_error, frame.error().message);
    const auto& taken = frame.value();
    if (!taken) return;
    take(taken->first, taken->second);
  }
}

void GuestRun::take(sandbox::Frame type, std::string_view payload) {
  switch (type) {
    case sandbox::Frame::out:
      return teller_.out(payload);
    case sandbox::Frame::err:
      return teller_.err(payload);
    case sandbox::Frame::calls:
      return take_calls(payload);
    case sandbox::Frame::begun:
      if (!told_begin_ && payload.size() == sizeof(uint64_t))
        teller_.begun(std::clamp(load_le<uint64_t>(payload.data()), start_ns_, boot_now_ns()));
      told_begin_ = true;
      return;
    case sandbox::Frame::refused:
      return end(Status::setup_error, std::string(payload.substr(0, report_text_max)));
    default:
      break;
  }
  auto report = report_from_json(payload);
  if (!report) return end(Status::internal_error, "the machine's report: " + report.error().message);
  report_ = std::move(report).value();
}

void GuestRun::take_calls(std::string_view payload) {
  auto bytes = std::as_bytes(std::span(payload));
  while (!bytes.empty()) {
    const auto call = decode_call(bytes);
    if (!call) return end(Status::internal_error, "the machine's calls: " + call.error().message);
    summary_.call(*call);
  }
}

void GuestRun::look_at_time() {
  const uint64_t now = boot_now_ns();
  if (teller_.stop_asked() && stop_ns_ == 0) {
    stop_ns_ = now;
    vmm_.orders().stop.store(1);
  }
  if (stop_ns_ != 0 && now - stop_ns_ >= grace_ns)
    return end(Status::signalled, "stopped: the client asked for it, or has gone");
  if (now - start_ns_ >= limit_ns(job_.limits.wall) + grace_ns)
    end(Status::timed_out, "more than " + std::to_string(job_.limits.wall.count()) + " ms went by");
}

void GuestRun::end(Status status, std::string cause) {
  if (!end_ && !report_) end_ = End{status, std::move(cause)};
}

void GuestRun::ended_by_itself() {
  const int status = vmm_.wait();
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
    return end(Status::internal_error, "the machine's process called what its jail forbids, and was killed");
  if (WIFSIGNALED(status))
    return end(Status::internal_error,
               "the machine's process was killed by signal " + std::to_string(WTERMSIG(status)));
  end(Status::internal_error, "the machine's process ended with code " + std::to_string(WEXITSTATUS(status)));
}

bool GuestRun::finish(Report& report) {
  if (report_) {
    report = std::move(*report_);
    Report seen;
    summary_.fill(seen);
    if (report.events_dropped == 0) name_refusals(report.refusals, seen.refusals);
    if (stop_ns_ != 0 && report.status == Status::timed_out) {
      report.status = Status::signalled;
      report.cause = "stopped: the client asked for it, or has gone";
    }
  } else {
    vmm_.kill();
    vmm_.wait();
    summary_.fill(report);
    report.status = end_ ? end_->status : Status::internal_error;
    report.cause = end_ ? end_->cause : "it was not watched to its end";
    if (report.status == Status::timed_out || report.status == Status::signalled) report.signal = SIGKILL;
  }
  report.id = job_.id;
  report.backend = Backend::microvm;
  report.profile = job_.profile;
  report.wall_ns = boot_now_ns() - start_ns_;
  report.cpu_ns = vmm_.cpu_ns() - cpu_start_ns_;
  if (auto hash = program_->finish())
    report.program_sha256 = std::move(hash).value();
  else
    report.notes.push_back("no hash of the program: " + hash.error().message);
  report.trace = "vm";
  // What the machine did not tell, and what could not be passed on.
  const uint64_t untold = report_ ? report.events_dropped : 0;
  teller_.fill(report);
  report.events_dropped += std::min(untold, std::numeric_limits<uint64_t>::max() - report.events_dropped);
  // What has done anything strange is not trusted to have forgotten it.
  return !end_ && report.status != Status::internal_error && report.status != Status::violation;
}

}  // namespace shrike::sandbox::microvm

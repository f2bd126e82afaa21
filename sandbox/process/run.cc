#include "sandbox/process/run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "common/base/clock.h"
#include "sandbox/json_object.h"
#include "sandbox/process/notify.h"

namespace shrike::sandbox::process {

namespace {

constexpr int tick_ms = 50;  // how exact the limits of time are
constexpr size_t output_chunk = 64u << 10;
constexpr int chunks_at_once = 16;
constexpr int words_at_once = 256;

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return errno_error("pipe");
  Pipe pipe{Fd(fds[0]), Fd(fds[1])};
  ::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

}  // namespace

Run::Run(const ProcessOptions& options, const Job& job, Sandbox& sandbox, Teller& teller)
    : options_(options),
      job_(job),
      sandbox_(sandbox),
      teller_(teller),
      summary_(teller),
      paths_(summary_, job.cwd),
      start_ns_(boot_now_ns()) {}

Result<void> Run::set_up(JobFiles files) {
  uint64_t last = boot_now_ns();
  const auto step = [&](const char* what) {
    const uint64_t now = boot_now_ns();
    steps_.push_back({what, now - last});
    last = now;
  };
  const auto& filter = options_.filters->of(job_.profile, job_.network);
  Fd program = TRY(sealed_copy(std::move(files.program), "program"));
  for (auto& note : sandbox_.cgroup().limit(job_.limits)) notes_.push_back(std::move(note));
  step("limits");
  if (options_.tracers != nullptr)
    tracer_ = options_.tracers->begin(filter.policy);
  else
    notes_.push_back(options_.no_tracers);
  const bool notify = !tracer_;
  Pipe output = TRY(make_pipe()), error = TRY(make_pipe());
  const auto& code = notify ? filter.notify : filter.ebpf;
  const Fd job_fd = TRY(sealed_bytes(job_to_json(job_), "job"));
  const Fd filter_fd =
      TRY(sealed_bytes({reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter)}, "filter"));
  std::vector<int> fds = {job_fd.get(), filter_fd.get(), output.write.get(), error.write.get(), program.get()};
  if (job_.has_input) fds.push_back(files.input.get());
  for (const auto& file : files.files) fds.push_back(file.get());
  output_ = std::move(output.read);
  error_ = std::move(error.read);
  // Who judges this host's events is told whose those of the program are, before there is one.
  if (const uint64_t group = sandbox_.cgroup().id(); group != 0) {
    const JobPlace place{group, sandbox_.user_namespace()};
    TRY_VOID(teller_.placed(place));
  }
  sandbox_.cgroup().start_counting();
  step("job");
  start_ns_ = boot_now_ns();
  summary_.begin(start_ns_, job_.program);
  TRY_VOID(say(sandbox_.link(), Word::job, notify ? "notify" : "", fds));
  const Heard started = TRY(sandbox_.expect(Word::started));
  sandbox_.note(started.text);
  if (notify) {
    if (started.fds.size() != 1) return Error{"the sandbox's init sent no listener"};
    tracer_ = std::make_unique<NotifyTracer>(Fd(::dup(started.fds[0].get())), filter.policy, sandbox_.init_pid());
  }
  given_ = std::move(files);
  given_.program = std::move(program);
  return {};
}

void Run::end(Status status, std::string cause) {
  if (!ended_) ended_.emplace(status, std::move(cause));
}

std::vector<pollfd> Run::watched() const {
  const short reading = teller_.has_room() ? POLLIN : 0;
  return {{sandbox_.link(), POLLIN, 0},
          {sandbox_.init_fd(), POLLIN, 0},
          {output_.valid() && reading != 0 ? output_.get() : -1, POLLIN, 0},
          {error_.valid() && reading != 0 ? error_.get() : -1, POLLIN, 0},
          {teller_.fd(), teller_.wanted(), 0},
          {tracer_->fd(), POLLIN, 0}};
}

void Run::watch() {
  for (;;) {
    auto fds = watched();
    ::poll(fds.data(), fds.size(), tick_ms);
    // In this order: what the program said before its end is told before it.
    tracer_->read(paths_);
    if (!told_begin_ && tracer_->began_ns() != 0) {
      told_begin_ = true;
      teller_.begun(tracer_->began_ns());
    }
    if (fds[2].revents != 0) read_output(output_, false);
    if (fds[3].revents != 0) read_output(error_, true);
    if (fds[0].revents != 0) hear_init();
    teller_.exchange();
    hold_back();
    if (fds[1].revents != 0) break;
    if (teller_.stop_asked()) end(Status::signalled, "stopped: the client asked for it, or has gone");
    look_at_policy();
    look_at_limits();
    if (ended_) break;
  }
  end_ns_ = boot_now_ns();
}

/// The program waits for a slow client, so that nothing is lost; its limits of time go on.
void Run::hold_back() {
  const bool behind = teller_.behind(held_);
  if (behind != held_ && sandbox_.cgroup().freeze(behind)) held_ = behind;
}

void Run::look_at_policy() {
  if (job_.profile == Profile::strict && !summary_.first_refusal().empty())
    end(Status::violation, "it called " + summary_.first_refusal());
}

void Run::look_at_limits() {
  const uint64_t now = boot_now_ns();
  const auto wall = static_cast<uint64_t>(std::chrono::nanoseconds(job_.limits.wall).count());
  if (now - start_ns_ >= wall)
    end(Status::timed_out, "more than " + std::to_string(job_.limits.wall.count()) + " ms went by");
  const auto usage = sandbox_.cgroup().usage();
  if (usage.cpu_ns >= static_cast<uint64_t>(std::chrono::nanoseconds(job_.limits.cpu).count()))
    end(Status::timed_out, "it used more than " + std::to_string(job_.limits.cpu.count()) + " ms of processor time");
  if (usage.out_of_memory_kills > 0)
    end(Status::signalled, "it used more than " + std::to_string(job_.limits.memory_bytes) + " bytes of memory");
}

void Run::hear_init() {
  // A program that fills its sink must not keep us from looking at its limits.
  for (int i = 0; i < words_at_once; ++i) {
    auto heard = hear(sandbox_.link(), false);
    if (!heard) return end(Status::internal_error, heard.error().message);
    if (!*heard) return;
    const std::string& text = (*heard)->text;
    if ((*heard)->word == Word::ended) {
      int status = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), status).ec == std::errc()) wait_status_ = status;
    } else if ((*heard)->word == Word::failed) {
      end(Status::setup_error, text.substr(0, report_text_max));
    } else if ((*heard)->word == Word::met) {
      const auto value = parse_json(text, "connection");
      if (!value) continue;
      Connection met;
      JsonObject object(*value, "connection");
      object.text("protocol", met.protocol, 16);
      object.text("address", met.address, 128);
      object.number("sent", met.sent_bytes);
      object.number("received", met.received_bytes);
      object.bytes("first", met.first_bytes, 1024);
      if (object.finish(true)) summary_.met(met);
    }
  }
}

void Run::read_output(Fd& from, bool error) {
  std::string bytes(output_chunk, '\0');
  for (int i = 0; i < chunks_at_once && from.valid(); ++i) {
    const ssize_t got = ::read(from.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return from.reset();
    const std::string_view said(bytes.data(), static_cast<size_t>(got));
    error ? teller_.err(said) : teller_.out(said);
  }
}

/// What the job brought along is no artefact, unless the program has changed it.
void Run::forget_given(Report& report) const {
  const auto unchanged = [&](const Artefact& artefact, const std::string& path, const Fd& file) {
    if (artefact.path != path || !file.valid()) return false;
    const auto hash = sha256_of_file(file.get());
    return hash && *hash == artefact.sha256;
  };
  std::erase_if(report.artefacts, [&](const Artefact& artefact) {
    bool same = artefact.path == job_.program && artefact.sha256 == report.program_sha256;
    for (size_t i = 0; i < job_.files.size() && i < given_.files.size() && !same; ++i)
      same = unchanged(artefact, job_.files[i].path, given_.files[i]);
    return same;
  });
}

void Run::finish(Report& report) {
  if (end_ns_ == 0) end_ns_ = boot_now_ns();
  sandbox_.kill();
  const uint64_t lost = tracer_ ? tracer_->finish(paths_) : 0;
  teller_.lost(lost);
  summary_.lost(lost);
  if (tracer_ && !told_begin_ && tracer_->began_ns() != 0) teller_.begun(tracer_->began_ns());
  hear_init();
  // Nobody writes any more: what is in the pipes is bounded, and its end is there.
  while (output_.valid() && errno != EAGAIN) read_output(output_, false);
  while (error_.valid()) read_output(error_, true);
  look_at_policy();
  const auto usage = sandbox_.cgroup().usage();
  if (usage.out_of_memory_kills > 0) look_at_limits();
  report.cpu_ns = usage.cpu_ns != 0 ? usage.cpu_ns : sandbox_.rusage_cpu_ns();
  report.peak_memory_bytes = usage.peak_memory_bytes;
  report.wall_ns = end_ns_ - start_ns_;
  report.virtual_ns = report.wall_ns;
  if (auto hash = given_.program.valid() ? sha256_of_file(given_.program.get()) : Result<std::string>(Error{}); hash)
    report.program_sha256 = *hash;
  report.policy_sha256 = options_.filters->of(job_.profile, job_.network).policy.sha256();
  report.trace = tracer_ ? tracer_->name() : "";
  report.steps = steps_;
  report.steps.insert(report.steps.begin(), sandbox_.steps().begin(), sandbox_.steps().end());
  report.notes = sandbox_.notes();
  report.notes.insert(report.notes.end(), notes_.begin(), notes_.end());
  report.artefacts = find_artefacts(sandbox_.root_fd(), sandbox_.files(), report_list_max, report.artefacts_dropped);
  forget_given(report);
  summary_.fill(report);
  if (ended_) {
    report.status = ended_->first;
    report.cause = ended_->second;
    const bool signalled = wait_status_ && WIFSIGNALED(*wait_status_);
    report.signal = signalled ? WTERMSIG(*wait_status_) : SIGKILL;
  } else if (wait_status_ && WIFEXITED(*wait_status_)) {
    report.status = Status::ok;
    report.exit_code = WEXITSTATUS(*wait_status_);
  } else if (wait_status_) {
    report.status = Status::signalled;
    report.signal = WTERMSIG(*wait_status_);
  } else {
    report.status = Status::internal_error;
    report.cause = "the sandbox's init ended before the program";
  }
  if (auto removed = sandbox_.remove(); !removed) report.notes.push_back(removed.error().message);
}

}  // namespace shrike::sandbox::process

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "sandbox/channel.h"
#include "sandbox/serve.h"
#include "sandbox/serve_words.h"

namespace shrike::sandbox {

namespace {

constexpr int patience_s = 10;  // for a job to arrive whole

uint64_t bytes_in(const JobFiles& files) {
  uint64_t sum = 0;
  const auto add = [&](const Fd& file) {
    struct stat st {};
    if (file.valid() && ::fstat(file.get(), &st) == 0 && st.st_size > 0) sum += static_cast<uint64_t>(st.st_size);
  };
  add(files.program);
  add(files.input);
  for (const auto& file : files.files) add(file);
  return sum;
}

Usage used_by(const Report& report, uint64_t in) {
  Usage usage;
  usage.cpu_ns = report.cpu_ns;
  usage.bytes = in + report.stdout_kept + report.stderr_kept;
  for (const auto& artefact : report.artefacts) usage.bytes += artefact.size_bytes;
  return usage;
}

/// The word of the service on this job. True: it may begin.
Result<bool> may_begin(int control, Channel& channel, const Job& job, const Usage& most) {
  TRY_VOID(send_word(control, {ServeWord::Kind::ask, job.caller, job.id, {}, most, 0}));
  auto heard = TRY(receive_word(control));
  if (!heard || heard->first.kind != ServeWord::Kind::answer) return Error{"the service has gone"};
  const auto& [word, fd] = *heard;
  if (word.verdict == static_cast<uint8_t>(Ledger::Answer::begin)) return true;
  if (word.verdict == static_cast<uint8_t>(Ledger::Answer::refused)) {
    TRY_VOID(channel.send(Frame::refused, word.text));
    return false;
  }
  const std::string report = TRY(text_of_fd(fd.get()));
  TRY_VOID(channel.send(Frame::report, report));
  return false;
}

Result<void> serve_client(Backends& backends, int control, Fd client) {
  const timeval patience{patience_s, 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  Channel channel(std::move(client));
  auto message = TRY(channel.receive());
  if (!message || message->type != Frame::job) return Error{"the client did not begin with a job"};
  const auto refuse = [&](const Error& why) { return channel.send(Frame::refused, why.message); };
  auto job = job_from_json(message->payload);
  if (!job) return refuse(job.error());
  auto files = job_files(*job, std::move(message->fds));
  if (!files) return refuse(files.error());
  const uint64_t in = bytes_in(*files);
  if (!TRY(may_begin(control, channel, *job, most_usage(*job, in)))) return {};
  Teller teller(Fd(::dup(channel.fd())), job->limits);
  const Report report = backends.run(*job, std::move(*files), teller);
  // Kept before it is told: who asks again after he was told gets the same.
  const Fd text = TRY(sealed_bytes(report_to_json(report, frame_payload_max), "report"));
  TRY_VOID(send_word(control, {ServeWord::Kind::ended, job->caller, job->id, {}, used_by(report, in), 0}, text.get()));
  static_cast<void>(TRY(receive_word(control)));
  return teller.finish(report);
}

/// Whether the other end is root's, or our own user's.
bool may_ask(int client) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == ::geteuid());
}

/// All processes that are ready wait for the next one; the kernel wakes one of them.
Fd next_client(int listener) {
  for (;;) {
    Fd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid() && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!client.valid() || may_ask(client.get())) return client;
    const std::string why = "only root may ask this service";
    const std::string frame = frame_header(Frame::refused, why.size()) + why;
    ::send(client.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

/// What is touched first after a fork costs more than all that is done with it: so it is touched while nobody waits.
void rehearse() {
  Job job;
  job.program = "/tmp/program";
  job.arguments = {"program"};
  static_cast<void>(job_from_json(job_to_json(job)));
  Report report;
  report.steps.push_back({"none", 0});
  static_cast<void>(report_from_json(report_to_json(report, frame_payload_max)));
}

}  // namespace

void run_worker(Backends& backends, unsigned slot, Fd control, Fd listener) {
  // What cannot be made ready is tried again with the job, and then is its report.
  static_cast<void>(backends.prepare(slot));
  rehearse();
  Fd client = next_client(listener.get());
  listener.reset();
  // So that the service makes another one ready, and can tell the client when we are gone without a word.
  if (client.valid() && send_word(control.get(), {}, client.get())) {
    // A client that says nothing sensible, or goes away, is no matter of the service's.
    static_cast<void>(serve_client(backends, control.get(), std::move(client)));
  }
  backends.forget();
}

}  // namespace shrike::sandbox

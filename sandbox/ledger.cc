#include "sandbox/ledger.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/bytes.h"
#include "common/base/file.h"
#include "sandbox/channel.h"
#include "sandbox/json_object.h"

namespace shrike::sandbox {

using nlohmann::json;

namespace {

// A line: sixteen hexadecimal digits of the SHA-256 of what follows the space, then that, as JSON.
constexpr size_t sum_digits = 16;
constexpr uint64_t hour_ns = 3600ull * 1'000'000'000;
constexpr size_t kept_jobs_max = 10'000;
constexpr uint64_t kept_bytes_max = 64u << 20;  // of reports
constexpr uint64_t file_bytes_max = 512u << 20;
constexpr uint64_t rewrite_bytes = 192u << 20;

std::string sum_of(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1) return {};
  return hex({reinterpret_cast<const char*>(digest), sum_digits / 2});
}

std::string line_of(const std::string& text) { return sum_of(text) + " " + text + "\n"; }

/// What a line says; nothing where it is not whole.
std::optional<std::string> text_of(std::string_view line) {
  if (line.size() < sum_digits + 2 || line[sum_digits] != ' ') return std::nullopt;
  const auto text = line.substr(sum_digits + 1);
  if (line.substr(0, sum_digits) != sum_of(text)) return std::nullopt;
  return std::string(text);
}

std::string key_of(const std::string& caller, const std::string& id) { return caller + " " + id; }

std::string begin_text(const std::string& caller, const std::string& id, const Usage& most, uint64_t now_ns) {
  return dump_json(
      {{"begin", id}, {"caller", caller}, {"time_ns", now_ns}, {"cpu_ns", most.cpu_ns}, {"bytes", most.bytes}});
}

std::string end_text(const std::string& caller, const std::string& id, const Usage& used, const std::string& report,
                     uint64_t now_ns) {
  return dump_json({{"end", id},
                    {"caller", caller},
                    {"time_ns", now_ns},
                    {"cpu_ns", used.cpu_ns},
                    {"bytes", used.bytes},
                    {"report", report}});
}

}  // namespace

Usage most_usage(const sandbox::Job& job, uint64_t bytes_in) {
  Usage usage;
  usage.cpu_ns = static_cast<uint64_t>(std::chrono::nanoseconds(job.limits.cpu).count());
  usage.bytes = bytes_in + 2 * job.limits.output_bytes + job.limits.file_bytes;
  return usage;
}

Result<Ledger> Ledger::open(const std::string& path, const Quota& quota, uint64_t now_ns) {
  Ledger ledger;
  ledger.path_ = path;
  ledger.quota_ = quota;
  // Locked in a file beside it, because the file itself is replaced.
  ledger.lock_ = Fd(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!ledger.lock_.valid()) return errno_error(path + ".lock");
  if (::flock(ledger.lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{path + ": another shrike-sandbox has this ledger", errno};
  TRY_VOID(ledger.load(path));
  // What ran when we ended cannot be asked any more: it used all it might.
  std::vector<std::string> running;
  for (const auto& [key, job] : ledger.jobs_)
    if (!job.ended) running.push_back(key);
  for (const auto& key : running) ledger.settle(key, ledger.jobs_[key].most, {}, now_ns);
  TRY_VOID(ledger.rewrite(path));
  return ledger;
}

Result<void> Ledger::load(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0 && errno == ENOENT) return {};
  const std::string text = TRY(read_file(path, file_bytes_max));
  std::string_view rest = text;
  size_t damaged = 0;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const auto said = end == std::string_view::npos ? std::nullopt : text_of(line);
    if (said && apply(*said)) continue;
    if (rest.empty())
      note_ = path + ": its last line was torn and is cut off";
    else
      ++damaged;
  }
  if (damaged > 0) note_ = path + ": " + std::to_string(damaged) + " damaged lines are left out";
  return {};
}

bool Ledger::apply(const std::string& text) {
  const auto value = parse_json(text, "ledger");
  if (!value) return false;
  JsonObject object(*value, "ledger");
  std::string caller, id, report;
  uint64_t time_ns = 0;
  Usage usage;
  const bool begins = value->is_object() && value->contains("begin");
  object.text(begins ? "begin" : "end", id, 64);
  object.text("caller", caller, 128);
  object.number("time_ns", time_ns);
  object.number("cpu_ns", usage.cpu_ns);
  object.number("bytes", usage.bytes);
  if (!begins) object.text("report", report, frame_payload_max);
  if (!object.finish(true)) return false;
  const std::string key = key_of(caller, id);
  const auto job = jobs_.find(key);
  if (begins && job == jobs_.end()) take(caller, id, usage, time_ns);
  if (!begins && job != jobs_.end() && !job->second.ended) settle(key, usage, std::move(report), time_ns);
  return true;
}

Result<void> Ledger::rewrite(const std::string& path) {
  std::string text;
  std::vector<std::string> keys(order_.begin(), order_.end());
  for (const auto& [key, job] : jobs_)
    if (!job.ended) keys.push_back(key);
  for (const auto& key : keys) {
    const Job& job = jobs_[key];
    const std::string id = key.substr(job.caller.size() + 1);
    text += line_of(begin_text(job.caller, id, job.most, job.begin_ns));
    if (job.ended) text += line_of(end_text(job.caller, id, job.used, job.report, job.end_ns));
  }
  TRY_VOID(write_file_atomic(path, text, 0600));
  file_ = Fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  if (!file_.valid()) return errno_error(path);
  size_ = text.size();
  return {};
}

Result<void> Ledger::append(const std::string& text, bool sync) {
  const std::string line = line_of(text);
  const auto before = static_cast<off_t>(size_);
  auto done = write_all(file_.get(), line);
  if (done && sync && ::fdatasync(file_.get()) != 0) done = errno_error("fdatasync");
  if (!done) {
    // Half a line would make the next one unreadable too.
    if (::ftruncate(file_.get(), before) != 0) return done.error().in(path_ + ": cannot be written, nor cut back");
    return done.error().in(path_);
  }
  size_ += line.size();
  return {};
}

void Ledger::take(const std::string& caller, const std::string& id, const Usage& most, uint64_t now_ns) {
  Caller& c = callers_[caller];
  ++c.running;
  c.reserved.cpu_ns += most.cpu_ns;
  c.reserved.bytes += most.bytes;
  Job job;
  job.caller = caller;
  job.most = most;
  job.begin_ns = now_ns;
  jobs_[key_of(caller, id)] = std::move(job);
}

void Ledger::settle(const std::string& key, const Usage& used, std::string report, uint64_t now_ns) {
  Job& job = jobs_[key];
  Caller& c = callers_[job.caller];
  --c.running;
  c.reserved.cpu_ns -= job.most.cpu_ns;
  c.reserved.bytes -= job.most.bytes;
  job.used = {std::min(used.cpu_ns, job.most.cpu_ns), std::min(used.bytes, job.most.bytes)};
  job.end_ns = now_ns;
  job.ended = true;
  job.report = std::move(report);
  c.hour.push_back({now_ns, job.used});
  c.in_hour.cpu_ns += job.used.cpu_ns;
  c.in_hour.bytes += job.used.bytes;
  kept_bytes_ += job.report.size();
  order_.push_back(key);
  while (order_.size() > kept_jobs_max || (kept_bytes_ > kept_bytes_max && order_.size() > 1)) {
    kept_bytes_ -= jobs_[order_.front()].report.size();
    jobs_.erase(order_.front());
    order_.pop_front();
  }
}

void Ledger::forget(Caller& caller, uint64_t now_ns) const {
  while (!caller.hour.empty() && now_ns > caller.hour.front().time_ns &&
         now_ns - caller.hour.front().time_ns >= hour_ns) {
    caller.in_hour.cpu_ns -= caller.hour.front().usage.cpu_ns;
    caller.in_hour.bytes -= caller.hour.front().usage.bytes;
    caller.hour.pop_front();
  }
}

Result<Ledger::Verdict> Ledger::begin(const std::string& caller, const std::string& id, const Usage& most,
                                      uint64_t now_ns) {
  const auto known = jobs_.find(key_of(caller, id));
  if (known != jobs_.end()) {
    if (!known->second.ended) return Verdict{Answer::refused, "job " + id + " runs already"};
    if (known->second.report.empty())
      return Verdict{Answer::refused, "job " + id + " was begun before, and ended without a report"};
    return Verdict{Answer::repeated, known->second.report};
  }
  Caller& c = callers_[caller];
  forget(c, now_ns);
  if (c.running >= quota_.jobs)
    return Verdict{Answer::refused, caller + " runs " + std::to_string(c.running) + " jobs, as many as it may at once"};
  const auto beyond = [](uint64_t used, uint64_t reserved, uint64_t more, uint64_t most_allowed) {
    return more > most_allowed || used + reserved > most_allowed - more;
  };
  if (beyond(c.in_hour.cpu_ns, c.reserved.cpu_ns, most.cpu_ns, quota_.cpu_ns_per_hour))
    return Verdict{Answer::refused, caller + " has used its processor time of this hour, or might with this job"};
  if (beyond(c.in_hour.bytes, c.reserved.bytes, most.bytes, quota_.bytes_per_hour))
    return Verdict{Answer::refused, caller + " has used its bytes of this hour, or might with this job"};
  TRY_VOID(append(begin_text(caller, id, most, now_ns), false));
  take(caller, id, most, now_ns);
  return Verdict{Answer::begin, {}};
}

Result<void> Ledger::end(const std::string& caller, const std::string& id, const Usage& used, const std::string& report,
                         uint64_t now_ns) {
  const std::string key = key_of(caller, id);
  const auto job = jobs_.find(key);
  if (job == jobs_.end() || job->second.ended) return Error{"ledger: job " + id + " of " + caller + " does not run"};
  // Counted in memory also where the line cannot be written: it has ended.
  const auto written = append(end_text(caller, id, used, report, now_ns), true);
  settle(key, used, report, now_ns);
  if (written && size_ > rewrite_bytes) return rewrite(path_);
  return written;
}

uint32_t Ledger::running(const std::string& caller) const {
  const auto found = callers_.find(caller);
  return found == callers_.end() ? 0 : found->second.running;
}

Usage Ledger::used(const std::string& caller, uint64_t now_ns) {
  Caller& c = callers_[caller];
  forget(c, now_ns);
  return c.in_hour;
}

}  // namespace shrike::sandbox

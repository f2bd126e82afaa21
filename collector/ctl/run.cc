#include "collector/ctl/run.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "collector/ctl/commands.h"
#include "common/base/file.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

constexpr int exit_timed_out = 124;  // as timeout(1)
constexpr int exit_by_signal = 128;  // as a shell

/// A program nobody trusts must not speak to the operator's terminal; a file or a pipe gets its bytes as they are.
class Screen {
 public:
  explicit Screen(int fd) : fd_(fd), terminal_(::isatty(fd) == 1) {}
  void write(std::string_view bytes) const {
    if (!terminal_) return (void)write_all(fd_, bytes);
    std::string shown;
    while (!bytes.empty()) {
      const size_t end = bytes.find_first_of("\n\t");
      shown += printable(bytes.substr(0, end));
      if (end == std::string_view::npos) break;
      shown += bytes[end];
      bytes.remove_prefix(end + 1);
    }
    (void)write_all(fd_, shown);
  }

 private:
  int fd_;
  bool terminal_;
};

/// How wide it may be: the terminal's columns, or what fits most where there is none.
size_t columns(int fd) {
  constexpr size_t usual = 110;
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual;
}

Result<Fd> interrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return errno_error("pthread_sigmask");
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return errno_error("signalfd");
  return fd;
}

int exit_of(const RunOptions& options, const sandbox::Report& report) {
  using sandbox::Status;
  if (report.status == Status::setup_error || report.status == Status::internal_error) return exit_failed;
  if (!options.exit_code) return exit_ok;
  if (report.status == Status::timed_out) return exit_timed_out;
  return report.status == Status::ok ? report.exit_code : exit_by_signal + report.signal;
}

Result<sandbox::Report> run(const RunOptions& options, const ApiOptions& api, const RunOutput& output) {
  const RunJob job = TRY(make_job(options));
  const Fd stop = TRY(interrupts());
  if (!options.node.empty()) return run_there(options, api, job, output, stop.get());
  return run_here(options, job, output, stop.get());
}

}  // namespace

std::string run_report_as_json(const sandbox::Report& report, std::string_view out, std::string_view err) {
  using Json = nlohmann::ordered_json;
  Json json = Json::parse(sandbox::report_to_json(report), nullptr, false);
  json["stdout"] = out;
  json["stderr"] = err;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int run_run(const RunOptions& options, const ApiOptions& api, Output& out) {
  std::string kept_out, kept_err;
  const Screen screen_out(STDOUT_FILENO), screen_err(STDERR_FILENO);
  RunOutput output;
  output.out = [&](std::string_view bytes) { options.json ? (void)kept_out.append(bytes) : screen_out.write(bytes); };
  output.err = [&](std::string_view bytes) { options.json ? (void)kept_err.append(bytes) : screen_err.write(bytes); };
  const auto report = run(options, api, output);
  if (!report) {
    complain(report.error().message);
    return exit_failed;
  }
  if (options.json) {
    out.line(run_report_as_json(*report, kept_out, kept_err));
  } else {
    Output text(STDERR_FILENO, out.wish());
    for (const std::string& line : run_report_as_text(*report, text.colour(), columns(STDERR_FILENO))) text.line(line);
  }
  return exit_of(options, *report);
}

}  // namespace shrike::ctl

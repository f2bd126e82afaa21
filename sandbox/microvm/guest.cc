#include "sandbox/microvm/guest.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/clock.h"
#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/kernel.h"
#include "sandbox/microvm/tell.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint32_t program_mode = 0755;
constexpr const char* hostname = "host";

Result<std::string> all_of(const Fd& file) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) > job_file_bytes_max) return errno_error("a file of the job's", EFBIG);
  std::string bytes(static_cast<size_t>(size), '\0');
  bytes.resize(TRY(read_at(file, 0, std::as_writable_bytes(std::span(bytes)))));
  return bytes;
}

Result<void> put_files(GuestFiles& guest, const Job& job, JobFiles& files) {
  const auto put = [&](const std::string& path, uint32_t mode, Fd& file) -> Result<void> {
    const JobTree::File below = TRY(guest.job->add(std::move(file)));
    if (const int64_t error = guest.tree->put_below(path, mode, below.number, below.size_bytes); error < 0)
      return errno_error("putting in " + path, static_cast<int>(-error));
    return {};
  };
  for (size_t i = 0; i < job.files.size(); ++i) TRY_VOID(put(job.files[i].path, job.files[i].mode, files.files[i]));
  return put(job.program, program_mode, files.program);
}

class Steps {
 public:
  Steps(Report& report, uint64_t begin_ns) : report_(report), last_ns_(begin_ns) {}
  void done(const char* name, uint64_t now_ns = boot_now_ns()) {
    report_.steps.push_back({name, now_ns - last_ns_});
    last_ns_ = now_ns;
  }

 private:
  Report& report_;
  uint64_t last_ns_;
};

KernelOptions options_of(const Job& job, const Orders& orders, Tell& tell) {
  KernelOptions options;
  options.limits = job.limits;
  options.profile = job.profile;
  options.network = job.network;
  options.seed = orders.seed;
  options.wall_start_ns = orders.wall_start_ns;
  options.hostname = hostname;
  options.output = [&tell](int descriptor, std::string_view bytes) { tell.output(descriptor, bytes); };
  options.host_ns = [] { return boot_now_ns(); };
  options.stop = [&tell, &orders] {
    tell.look_at_time(boot_now_ns());
    return orders.stop.load(std::memory_order_relaxed) != 0 || tell.gone();
  };
  return options;
}

}  // namespace

GuestFiles::GuestFiles(Tree& host_files, const Orders& orders) {
  auto below = std::make_unique<JobTree>(host_files);
  job = below.get();
  tree = std::make_unique<FileSystem>(std::move(below), FileQuota{}, [&orders] { return orders.wall_start_ns; });
  furnish(*tree, hostname, orders.seed);
}

Report run_guest(Machine& machine, Channel& channel, GuestFiles guest_files, const Orders& orders, const Job& job,
                 JobFiles files, uint64_t received_ns) {
  Report report;
  report.id = job.id;
  report.backend = job.backend;
  report.profile = job.profile;
  const auto failed = [&](const Error& error) {
    report.status = Status::setup_error;
    report.cause = error.message;
    return report;
  };
  Steps steps(report, received_ns);
  Tell tell(channel);
  FileSystem& tree = *guest_files.tree;
  tree.account()->set({.bytes = job.limits.file_bytes, .nodes = job.limits.files});
  if (auto put = put_files(guest_files, job, files); !put) return failed(put.error());
  FilePtr input;
  if (job.has_input) {
    auto bytes = all_of(files.input);
    if (!bytes) return failed(bytes.error());
    input = make_input(tree.store(), std::move(bytes).value());
  }
  steps.done("files");
  Kernel kernel(machine, machine.physical(), tree, tell, options_of(job, orders, tell));
  if (auto started = kernel.start(job.program, job.arguments, job.environment, job.cwd, std::move(input)); !started)
    return failed(started.error());
  steps.done("program");
  tell.begin(boot_now_ns());
  kernel.run(report);
  if (tell.first_call_ns() != 0) steps.done("first call", tell.first_call_ns());
  tell.flush();
  report.artefacts = tree.artefacts(report_list_max, report.artefacts_dropped);
  return report;
}

}  // namespace shrike::sandbox::microvm

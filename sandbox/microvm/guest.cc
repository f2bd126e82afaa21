#include "sandbox/microvm/guest.h"

#include <unistd.h>

#include <cerrno>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/kernel.h"
#include "sandbox/microvm/tell.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint32_t program_mode = 0755;

Result<std::string> all_of(const Fd& file) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0 || static_cast<uint64_t>(size) > job_file_bytes_max) return errno_error("a file of the job's", EFBIG);
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::pread(file.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("a file of the job's");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Result<void> put_files(FileSystem& tree, const Job& job, const JobFiles& files) {
  const auto put = [&](const std::string& path, uint32_t mode, const Fd& file) -> Result<void> {
    if (const int64_t error = tree.put(path, mode, TRY(all_of(file))); error < 0)
      return errno_error("putting in " + path, static_cast<int>(-error));
    return {};
  };
  for (size_t i = 0; i < job.files.size(); ++i) TRY_VOID(put(job.files[i].path, job.files[i].mode, files.files[i]));
  return put(job.program, program_mode, files.program);
}

// A tree that is there for longer than one job.
class BorrowedTree final : public Tree {
 public:
  explicit BorrowedTree(Tree& tree) : tree_(tree) {}
  Result<std::vector<TreeEntry>> list(uint64_t folder) override { return tree_.list(folder); }
  Result<TreeEntry> look(uint64_t number) override { return tree_.look(number); }
  Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
    return tree_.read(file, at, out);
  }

 private:
  Tree& tree_;
};

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
  options.output = [&tell](int descriptor, std::string_view bytes) { tell.output(descriptor, bytes); };
  options.host_ns = [] { return boot_now_ns(); };
  options.stop = [&tell, &orders] {
    tell.look_at_time(boot_now_ns());
    return orders.stop.load(std::memory_order_relaxed) != 0 || tell.gone();
  };
  return options;
}

}  // namespace

Report run_guest(Machine& machine, Channel& channel, Tree& host_files, const Orders& orders, const Job& job,
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
  FileSystem tree(std::make_unique<BorrowedTree>(host_files),
                  {.bytes = job.limits.file_bytes, .nodes = job.limits.files},
                  [&orders] { return orders.wall_start_ns; });
  const KernelOptions options = options_of(job, orders, tell);
  furnish(tree, options.hostname, options.seed);
  if (auto put = put_files(tree, job, files); !put) return failed(put.error());
  FilePtr input;
  if (job.has_input) {
    auto bytes = all_of(files.input);
    if (!bytes) return failed(bytes.error());
    input = make_input(tree.store(), std::move(bytes).value());
  }
  files = {};
  steps.done("files");
  Kernel kernel(machine, machine.physical(), tree, tell, options);
  if (auto started = kernel.start(job.program, job.arguments, job.environment, job.cwd, std::move(input)); !started)
    return failed(started.error());
  steps.done("program");
  std::string begun(sizeof(uint64_t), '\0');
  store_le(begun.data(), boot_now_ns());
  if (auto sent = channel.send(sandbox::Frame::begun, begun); !sent) return failed(sent.error());
  kernel.run(report);
  if (tell.first_call_ns() != 0) steps.done("first call", tell.first_call_ns());
  tell.flush();
  report.artefacts = tree.artefacts(report_list_max, report.artefacts_dropped);
  return report;
}

}  // namespace shrike::sandbox::microvm

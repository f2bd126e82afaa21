#include "collector/ctl/demo_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "common/base/file.h"

namespace shrike::ctl {
namespace {

namespace fs = std::filesystem;
constexpr const char* lock_name = ".shrike-demo";

Result<std::string> private_directory() {
  const char* base = std::getenv("TMPDIR");
  std::string dir = std::string(base != nullptr && *base == '/' ? base : "/tmp") + "/shrike-demo-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) return errno_error("cannot make a directory " + dir);
  return dir;
}

Result<std::string> named_directory(const std::string& wish) {
  std::error_code failed;
  const std::string dir = fs::absolute(wish, failed).lexically_normal().string();
  if (failed) return Error{"cannot use " + wish + ": " + failed.message(), failed.value()};
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make " + dir);
  const Fd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) return errno_error("cannot use " + dir);
  if (status.st_uid != geteuid()) return Error{dir + " belongs to another user: keys are kept in it"};
  const bool ours = access((dir + "/" + lock_name).c_str(), F_OK) == 0;
  if (!ours && !fs::is_empty(dir, failed)) {
    return Error{dir + " is not empty and no demo's: name a new or an empty directory"};
  }
  if ((status.st_mode & 077) != 0 && fchmod(fd.get(), 0700) != 0) return errno_error("cannot make " + dir + " private");
  return dir;
}

}  // namespace

Result<DemoState> DemoState::open(const std::string& wish) {
  DemoState state;
  state.kept_ = !wish.empty();
  state.dir_ = state.kept_ ? TRY(named_directory(wish)) : TRY(private_directory());
  state.lock_.reset(::open(state.path(lock_name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!state.lock_.valid()) return errno_error("cannot write in " + state.dir_);
  if (flock(state.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    state.kept_ = true;
    return Error{"another demo uses " + state.dir_ + ": end it, or name another directory"};
  }
  for (const char* folder : {"agent", "collector", "nats", "sandbox"}) TRY_VOID(make_dirs(state.path(folder), 0700));
  return state;
}

DemoState::DemoState(DemoState&& other) noexcept
    : dir_(std::exchange(other.dir_, {})), kept_(other.kept_), lock_(std::move(other.lock_)) {}

DemoState::~DemoState() {
  if (kept_ || dir_.empty()) return;
  std::error_code ignored;  // nothing is left to tell it to
  fs::remove_all(dir_, ignored);
}

}  // namespace shrike::ctl

#include "agent/command/assembly.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/wire/command_news.h"

namespace shrike::command {

Result<Assembly> Assembly::begin(const OpenCommand& command, std::string path) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return errno_error(path);
  return Assembly(command, std::move(path), std::move(file));
}

Assembly::Assembly(OpenCommand command, std::string path, Fd file)
    : command_(std::move(command)),
      path_(std::move(path)),
      file_(std::move(file)),
      have_(command_.header.parts.size()),
      missing_count_(have_.size()) {
  command_.part.reset();  // a view into a message that goes
}

Assembly::~Assembly() {
  if (file_.valid()) ::unlink(path_.c_str());
}

Result<void> Assembly::add(const OpenCommand::Part& part) {
  if (have_.at(part.index)) return {};
  auto at = static_cast<off_t>(part.index * command_part_bytes);
  for (std::string_view rest = part.bytes; !rest.empty();) {
    const ssize_t n = ::pwrite(file_.get(), rest.data(), rest.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(path_);
    rest.remove_prefix(static_cast<size_t>(n));
    at += n;
  }
  have_[part.index] = true;
  --missing_count_;
  return {};
}

std::vector<std::pair<uint32_t, uint32_t>> Assembly::missing() const {
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  for (uint32_t i = 0; i < have_.size(); ++i) {
    if (have_[i]) continue;
    if (!ranges.empty() && ranges.back().second + 1 == i) {
      ranges.back().second = i;
    } else if (ranges.size() < command_ranges_max) {
      ranges.emplace_back(i, i);
    }
  }
  return ranges;
}

Result<void> Assembly::keep() {
  if (::fsync(file_.get()) != 0) return errno_error(path_);
  file_.reset();
  return {};
}

}  // namespace shrike::command

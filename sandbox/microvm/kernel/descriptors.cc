#include "sandbox/microvm/kernel/descriptors.h"

#include <utility>

namespace shrike::sandbox::microvm {

FilePtr Descriptors::get(int fd) const { return has(fd) ? slots_[static_cast<size_t>(fd)].file : nullptr; }

int64_t Descriptors::add(FilePtr file, bool close_on_exec, uint64_t limit, int lowest) {
  size_t fd = lowest < 0 ? 0 : static_cast<size_t>(lowest);
  while (fd < slots_.size() && slots_[fd].file) ++fd;
  if (fd >= limit) return -EMFILE;
  if (fd >= slots_.size()) slots_.resize(fd + 1);
  slots_[fd] = {std::move(file), close_on_exec};
  return static_cast<int64_t>(fd);
}

void Descriptors::set(int fd, FilePtr file, bool close_on_exec) {
  const auto index = static_cast<size_t>(fd);
  if (index >= slots_.size()) slots_.resize(index + 1);
  // The old one is destroyed only after the table is right again: its end may wake others.
  const Slot old = std::exchange(slots_[index], {std::move(file), close_on_exec});
}

FilePtr Descriptors::close(int fd) {
  if (!has(fd)) return nullptr;
  return std::exchange(slots_[static_cast<size_t>(fd)], {}).file;
}

void Descriptors::close_on_exec() {
  for (Slot& slot : slots_)
    if (slot.close_on_exec) slot = {};
}

bool Descriptors::closes_on_exec(int fd) const { return has(fd) && slots_[static_cast<size_t>(fd)].close_on_exec; }

void Descriptors::mark(int fd, bool close_on_exec) {
  if (has(fd)) slots_[static_cast<size_t>(fd)].close_on_exec = close_on_exec;
}

std::vector<int> Descriptors::numbers() const {
  std::vector<int> numbers;
  for (size_t fd = 0; fd < slots_.size(); ++fd)
    if (slots_[fd].file) numbers.push_back(static_cast<int>(fd));
  return numbers;
}

}  // namespace shrike::sandbox::microvm

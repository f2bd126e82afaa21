#include "sandbox/microvm/kernel/user_memory.h"

#include <algorithm>
#include <cstring>

namespace shrike::sandbox::microvm {

size_t UserMemory::read_some(uint64_t address, std::span<std::byte> out) const {
  size_t done = 0;
  while (done < out.size() && address < user_highest) {
    const std::byte* from = space_->touch(address, false);
    if (from == nullptr) break;
    const size_t part = std::min<size_t>(out.size() - done, page_bytes - address % page_bytes);
    std::memcpy(&out[done], from, part);
    done += part;
    address += part;
  }
  return done;
}

size_t UserMemory::write_some(uint64_t address, std::span<const std::byte> in) const {
  size_t done = 0;
  while (done < in.size() && address < user_highest) {
    std::byte* to = space_->touch(address, true);
    if (to == nullptr) break;
    const size_t part = std::min<size_t>(in.size() - done, page_bytes - address % page_bytes);
    std::memcpy(to, &in[done], part);
    done += part;
    address += part;
  }
  return done;
}

bool UserMemory::read(uint64_t address, std::span<std::byte> out) const {
  return read_some(address, out) == out.size();
}

bool UserMemory::write(uint64_t address, std::span<const std::byte> in) const {
  return write_some(address, in) == in.size();
}

int64_t UserMemory::text(uint64_t address, size_t most, std::string& out) const {
  out.clear();
  while (out.size() < most) {
    const std::byte* from = address < user_highest ? space_->touch(address, false) : nullptr;
    if (from == nullptr) return -EFAULT;
    const size_t part = std::min<size_t>(most - out.size(), page_bytes - address % page_bytes);
    const auto* begin = reinterpret_cast<const char*>(from);
    const void* end = std::memchr(begin, 0, part);
    if (end != nullptr) {
      out.append(begin, static_cast<const char*>(end));
      return 0;
    }
    out.append(begin, part);
    address += part;
  }
  return -ENAMETOOLONG;
}

int64_t UserMemory::slices(uint64_t address, uint64_t count, std::vector<Slice>& out) const {
  if (const int64_t error = list(address, count, 1024, out); error != 0) return error;
  uint64_t total = 0;
  for (Slice& slice : out) {
    if (slice.length > INT64_MAX || total + slice.length > INT64_MAX) return -EINVAL;
    total += slice.length;
  }
  uint64_t left = transfer_most;
  for (Slice& slice : out) {
    slice.length = std::min(slice.length, left);
    left -= slice.length;
  }
  return 0;
}

std::vector<std::byte> UserMemory::gather(const std::vector<Slice>& slices, bool& whole) const {
  std::vector<std::byte> bytes;
  whole = true;
  for (const Slice& slice : slices) {
    const size_t before = bytes.size();
    bytes.resize(before + slice.length);
    const size_t got = read_some(slice.address, std::span(bytes).subspan(before));
    bytes.resize(before + got);
    if (got < slice.length) {
      whole = false;
      break;
    }
  }
  return bytes;
}

size_t UserMemory::scatter(const std::vector<Slice>& slices, std::span<const std::byte> in) const {
  size_t done = 0;
  for (const Slice& slice : slices) {
    const size_t part = std::min<size_t>(slice.length, in.size() - done);
    const size_t put = write_some(slice.address, in.subspan(done, part));
    done += put;
    if (put < part || done == in.size()) break;
  }
  return done;
}

uint32_t* UserMemory::word(uint64_t address, bool write) const {
  if (address % sizeof(uint32_t) != 0 || address >= user_highest) return nullptr;
  return reinterpret_cast<uint32_t*>(space_->touch(address, write));
}

}  // namespace shrike::sandbox::microvm

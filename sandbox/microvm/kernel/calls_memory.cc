// mmap and what belongs to it.

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/handlers.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr uint64_t mincore_pages_most = 1u << 20;

Access access_of(uint64_t protection) {
  return {(protection & PROT_READ) != 0, (protection & PROT_WRITE) != 0, (protection & PROT_EXEC) != 0};
}

bool is_zero_device(const struct ::stat& status) {
  return S_ISCHR(status.st_mode) && major(status.st_rdev) == 1 && minor(status.st_rdev) == 5;
}

// The part of a mapping that its file decides.
int64_t use_file(Request& request, const FilePtr& file, bool write, Region& wanted) {
  if (!file) return -EBADF;
  if ((file->flags & O_PATH) != 0) return -EBADF;
  if (!file->readable()) return -EACCES;
  struct ::stat status {};
  if (const int64_t error = file->status(status); error < 0) return error;
  if (is_zero_device(status)) return 0;
  if (!S_ISREG(status.st_mode)) return -ENODEV;
  if (wanted.shared) {
    wanted.may_write = file->writable();
    if (write && !wanted.may_write) return -EACCES;
    wanted.object = request.system.shared_file(file->node(), true);
  }
  wanted.node = file->node();
  wanted.name = request.system.files.path_of(*wanted.node);
  return 0;
}

// Files hear of what was written through the mappings of a range.
void write_back_range(Request& request, uint64_t begin, uint64_t length) {
  if (length > user_highest || begin > user_highest - length) return;
  const auto& mappings = request.process.space->mappings();
  auto at = mappings.upper_bound(begin);
  if (at != mappings.begin()) --at;
  for (; at != mappings.end() && at->second.begin < begin + length; ++at)
    if (at->second.object && at->second.node && at->second.may_write) request.system.write_back(*at->second.node);
}
}  // namespace

int64_t on_mmap(Request& request) {
  const auto& [begin, length, protection, flags, descriptor, offset] = request.args;
  const uint64_t type = flags & MAP_TYPE;
  if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE) return -EINVAL;
  if (length == 0 || offset % page_bytes != 0) return -EINVAL;
  if (page_up(length) == 0) return -ENOMEM;
  if (offset > INT64_MAX || page_up(length) > INT64_MAX - offset) return -EOVERFLOW;
  if ((flags & MAP_HUGETLB) != 0) return -ENOMEM;
  const bool write = (protection & PROT_WRITE) != 0;
  Region wanted{.begin = begin, .access = access_of(protection), .shared = type != MAP_PRIVATE};
  wanted.grows_down = (flags & MAP_GROWSDOWN) != 0;
  if ((flags & MAP_ANONYMOUS) == 0) {
    wanted.offset = offset;
    if (const int64_t error = use_file(request, request.file(4), write, wanted); error < 0) return error;
  }
  if (wanted.shared && !wanted.object) {
    wanted.object = std::make_shared<SharedMemory>(request.system.physical, nullptr);
    wanted.offset = 0;
  }
  if (write && !wanted.node && (flags & MAP_NORESERVE) == 0 && !request.process.space->affordable(length))
    return -ENOMEM;
  const bool keep = (flags & MAP_FIXED_NOREPLACE) != 0;
  const bool fixed = keep || (flags & MAP_FIXED) != 0;
  if (fixed) write_back_range(request, begin, length);
  return request.process.space->map(std::move(wanted), length, fixed, keep);
}

int64_t on_munmap(Request& request) {
  write_back_range(request, request.args[0], request.args[1]);
  return request.process.space->unmap(request.args[0], request.args[1]);
}

int64_t on_mprotect(Request& request) {
  constexpr uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;
  if ((request.args[2] & ~(uint64_t{PROT_READ | PROT_WRITE | PROT_EXEC} | grows)) != 0) return -EINVAL;
  return request.process.space->protect(request.args[0], request.args[1], access_of(request.args[2]));
}

int64_t on_pkey_mprotect(Request& request) {
  return request.number(3) == -1 ? on_mprotect(request) : request.unsupported("pkey_mprotect with a key", -EINVAL);
}

int64_t on_mremap(Request& request) {
  const auto& args = request.args;
  return request.process.space->remap(args[0], args[1], args[2], args[3], args[4]);
}

int64_t on_brk(Request& request) { return static_cast<int64_t>(request.process.space->set_break(request.args[0])); }

int64_t on_msync(Request& request) {
  const auto& [begin, length, flags, a, b, c] = request.args;
  if (begin % page_bytes != 0 || (flags & ~uint64_t{MS_ASYNC | MS_INVALIDATE | MS_SYNC}) != 0) return -EINVAL;
  if (length == 0) return 0;
  if (page_up(length) == 0 || !request.process.space->mapped(begin, page_up(length))) return -ENOMEM;
  write_back_range(request, begin, page_up(length));
  return 0;
}

int64_t on_madvise(Request& request) {
  AddressSpace& space = *request.process.space;
  const uint64_t begin = request.args[0];
  const uint64_t length = page_up(request.args[1]);
  if (begin % page_bytes != 0 || (length == 0 && request.args[1] != 0)) return -EINVAL;
  if (length == 0) return 0;
  if (!space.mapped(begin, length)) return -ENOMEM;
  switch (request.number(2)) {
    case MADV_DONTNEED:
    case MADV_FREE:
      return space.drop(begin, length);
    case MADV_DONTFORK:
      return space.mark(begin, length, &Region::not_forked, true);
    case MADV_DOFORK:
      return space.mark(begin, length, &Region::not_forked, false);
    case MADV_WIPEONFORK:
      return space.mark(begin, length, &Region::wiped_on_fork, true);
    case MADV_KEEPONFORK:
      return space.mark(begin, length, &Region::wiped_on_fork, false);
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_MERGEABLE:
    case MADV_UNMERGEABLE:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT:
      return 0;
    default:
      return -EINVAL;
  }
}

int64_t on_mincore(Request& request) {
  const auto& [begin, length, out, a, b, c] = request.args;
  const uint64_t rounded = page_up(length);
  if (begin % page_bytes != 0) return -EINVAL;
  if (rounded / page_bytes > mincore_pages_most || !request.process.space->mapped(begin, rounded)) return -ENOMEM;
  std::vector<std::byte> present(rounded / page_bytes);
  request.process.space->table().each(begin, begin + rounded, [&, first = begin](uint64_t address, const Page&) {
    present[(address - first) / page_bytes] = std::byte{1};
  });
  return request.memory.write(out, present) ? 0 : -EFAULT;
}

int64_t on_membarrier(Request& request) {
  constexpr int64_t known = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
                            MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
                            MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
  if (request.args[1] != 0) return -EINVAL;
  const int command = request.number(0);
  if (command == MEMBARRIER_CMD_QUERY) return known;
  // One CPU: everybody sees everything in order.
  return command > 0 && (command & (command - 1)) == 0 && (command & known) != 0 ? 0 : -EINVAL;
}

int64_t on_memfd_create(Request& request) {
  std::string name;
  if (const int64_t error = request.memory.text(request.args[0], 250, name); error < 0)
    return error == -ENAMETOOLONG ? -EINVAL : error;
  request.tell(TextKind::name, name);
  const auto flags = static_cast<unsigned>(request.args[1]);
  FilePtr file;
  const int64_t error = make_memory_file(request.system.files.store(), name, flags, file);
  return error < 0 ? error : request.install(std::move(file), (flags & MFD_CLOEXEC) != 0);
}

}  // namespace shrike::sandbox::microvm

// futex(2). Private and shared ones are the same: a word is named by its memory where that is shared, else by its
// address space.

#include <linux/futex.h>

#include "sandbox/microvm/kernel/handlers.h"
#include "sandbox/microvm/kernel/times.h"

namespace shrike::sandbox::microvm {

std::optional<FutexKey> System::futex_key(AddressSpace& space, uint64_t address) {
  const Region* region = space.find(address);
  if (region == nullptr || !region->shared) {
    if (space.touch(address, false) == nullptr) return std::nullopt;
    return FutexKey{reinterpret_cast<uint64_t>(&space), address};
  }
  if (space.touch(address, false) == nullptr) return std::nullopt;
  const auto page = space.table().find(page_down(address));
  return FutexKey{0, uint64_t{page->frame} * page_bytes + address % page_bytes};
}

void System::wake_word(Process& process, uint64_t address, uint64_t most) {
  if (const auto key = futex_key(*process.space, address)) futexes.wake(*key, most, FUTEX_BITSET_MATCH_ANY);
}

namespace {
int64_t wait_for_word(Request& request, const FutexKey& key, uint32_t bits, std::optional<uint64_t> deadline) {
  const auto& [address, operation, value, a, b, c] = request.args;
  const uint32_t* word = request.memory.word(address, false);
  if (bits == 0) return -EINVAL;
  if (word == nullptr) return -EFAULT;
  if (*word != static_cast<uint32_t>(value)) return -EAGAIN;
  Thread* thread = &request.thread;
  request.system.futexes.add(key, *thread, bits);
  Wait wait;
  wait.again = [thread]() -> std::optional<int64_t> {
    return thread->futex_woken ? std::optional<int64_t>(0) : std::nullopt;
  };
  wait.deadline = deadline;
  wait.at_deadline = -ETIMEDOUT;
  wait.restarts = !deadline;
  return request.wait(std::move(wait));
}

// FUTEX_WAKE_OP's change of the second word, and its question about what was there.
int64_t apply(Request& request, uint64_t address, uint32_t coded, bool& matches) {
  uint32_t* word = request.memory.word(address, true);
  if (word == nullptr) return -EFAULT;
  auto argument = static_cast<int32_t>(coded << 8) >> 20;
  const auto against = static_cast<int32_t>(coded << 20) >> 20;
  const uint32_t operation = coded >> 28 & 7, comparison = coded >> 24 & 15;
  if ((coded >> 28 & FUTEX_OP_OPARG_SHIFT) != 0) argument = static_cast<int32_t>(1u << (argument & 31));
  const auto before = static_cast<int32_t>(*word);
  const auto by = static_cast<uint32_t>(argument);
  switch (operation) {
    case FUTEX_OP_SET:
      *word = by;
      break;
    case FUTEX_OP_ADD:
      *word += by;
      break;
    case FUTEX_OP_OR:
      *word |= by;
      break;
    case FUTEX_OP_ANDN:
      *word &= ~by;
      break;
    case FUTEX_OP_XOR:
      *word ^= by;
      break;
    default:
      return -ENOSYS;
  }
  switch (comparison) {
    case FUTEX_OP_CMP_EQ:
      matches = before == against;
      break;
    case FUTEX_OP_CMP_NE:
      matches = before != against;
      break;
    case FUTEX_OP_CMP_LT:
      matches = before < against;
      break;
    case FUTEX_OP_CMP_LE:
      matches = before <= against;
      break;
    case FUTEX_OP_CMP_GT:
      matches = before > against;
      break;
    case FUTEX_OP_CMP_GE:
      matches = before >= against;
      break;
    default:
      return -ENOSYS;
  }
  return 0;
}

int64_t wake_operation(Request& request, const FutexKey& key) {
  const auto& [address, operation, value, value2, address2, coded] = request.args;
  const auto other = request.system.futex_key(*request.process.space, address2);
  if (!other) return -EFAULT;
  bool matches = false;
  if (const int64_t error = apply(request, address2, static_cast<uint32_t>(coded), matches); error < 0) return error;
  uint32_t woken = request.system.futexes.wake(key, static_cast<uint32_t>(value), FUTEX_BITSET_MATCH_ANY);
  if (matches) woken += request.system.futexes.wake(*other, static_cast<uint32_t>(value2), FUTEX_BITSET_MATCH_ANY);
  return woken;
}

int64_t requeue(Request& request, const FutexKey& key, bool compare) {
  const auto& [address, operation, value, value2, address2, expected] = request.args;
  const auto other = request.system.futex_key(*request.process.space, address2);
  if (!other) return -EFAULT;
  if (static_cast<int32_t>(value) < 0 || static_cast<int32_t>(value2) < 0) return -EINVAL;
  const uint32_t* word = request.memory.word(address, false);
  if (word == nullptr) return -EFAULT;
  if (compare && *word != static_cast<uint32_t>(expected)) return -EAGAIN;
  const uint32_t woken = request.system.futexes.wake(key, static_cast<uint32_t>(value), FUTEX_BITSET_MATCH_ANY);
  const uint32_t moved = request.system.futexes.requeue(key, *other, static_cast<uint32_t>(value2));
  return compare ? woken + moved : woken;
}

// FUTEX_WAIT's timeout is a length, FUTEX_WAIT_BITSET's a time.
int64_t read_deadline(Request& request, int operation, std::optional<uint64_t>& deadline) {
  if (request.args[3] == 0) return 0;
  uint64_t ns = 0;
  if (const int64_t error = read_duration(request.memory, request.args[3], ns); error < 0) return error;
  const VirtualClock& clock = request.system.clock;
  if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
    deadline = deadline_in(clock, ns);
  else
    deadline = (operation & FUTEX_CLOCK_REALTIME) != 0 ? clock.from_real(ns) : ns;
  return 0;
}
}  // namespace

int64_t on_futex(Request& request) {
  const auto& [address, raw_operation, value, a, b, bits] = request.args;
  const auto operation = static_cast<int>(raw_operation);
  const int command = operation & FUTEX_CMD_MASK;
  if (address % sizeof(uint32_t) != 0) return -EINVAL;
  std::optional<uint64_t> deadline;
  if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET)
    if (const int64_t error = read_deadline(request, operation, deadline); error < 0) return error;
  const auto key = request.system.futex_key(*request.process.space, address);
  if (!key) return -EFAULT;
  switch (command) {
    case FUTEX_WAIT:
      return wait_for_word(request, *key, FUTEX_BITSET_MATCH_ANY, deadline);
    case FUTEX_WAIT_BITSET:
      return wait_for_word(request, *key, static_cast<uint32_t>(bits), deadline);
    case FUTEX_WAKE:
      return request.system.futexes.wake(*key, std::max(1u, static_cast<uint32_t>(value)), FUTEX_BITSET_MATCH_ANY);
    case FUTEX_WAKE_BITSET:
      if (static_cast<uint32_t>(bits) == 0) return -EINVAL;
      return request.system.futexes.wake(*key, std::max(1u, static_cast<uint32_t>(value)), static_cast<uint32_t>(bits));
    case FUTEX_REQUEUE:
      return requeue(request, *key, false);
    case FUTEX_CMP_REQUEUE:
      return requeue(request, *key, true);
    case FUTEX_WAKE_OP:
      return wake_operation(request, *key);
    default:
      return request.unsupported("futex operation " + std::to_string(command), -ENOSYS);
  }
}

}  // namespace shrike::sandbox::microvm

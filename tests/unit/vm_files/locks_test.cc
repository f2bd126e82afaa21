#include "sandbox/microvm/files/locks.h"

#include <sys/file.h>

#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

TEST(Locks, OfOpenFilesShareAndExclude) {
  GuestFiles guest;
  guest.write("/a", "");
  FilePtr first = guest.open("/a"), second = guest.open("/a");
  LockTable& locks = first->node()->locks();
  EXPECT_EQ(locks.flock(*first, LOCK_SH), 0);
  EXPECT_EQ(locks.flock(*second, LOCK_SH), 0);
  EXPECT_EQ(locks.flock(*first, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
  EXPECT_EQ(locks.flock(*second, LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(locks.flock(*first, LOCK_SH), -EWOULDBLOCK);
  second.reset();
  EXPECT_EQ(locks.flock(*first, LOCK_EX), 0);
  EXPECT_EQ(locks.flock(*first, 99), -EINVAL);
}

TEST(Locks, OfProcessesAreRangesThatJoinAndSplit) {
  LockTable locks;
  EXPECT_EQ(locks.lock({0, 100, true, 1, nullptr}), 0);
  EXPECT_EQ(locks.lock({50, 60, false, 2, nullptr}), -EAGAIN);
  EXPECT_EQ(locks.unlock({40, 70, true, 1, nullptr}), 0);
  EXPECT_EQ(locks.lock({40, 70, true, 2, nullptr}), 0);
  EXPECT_EQ(locks.conflict({0, 1000, false, 2, nullptr})->end, 40u);
  EXPECT_EQ(locks.lock({70, 200, true, 1, nullptr}), 0);
  EXPECT_EQ(locks.conflict({150, 151, false, 2, nullptr})->begin, 70u);
  locks.release_process(1);
  EXPECT_EQ(locks.lock({0, UINT64_MAX, true, 2, nullptr}), 0);
}

TEST(Locks, AreBounded) {
  LockTable locks;
  ASSERT_EQ(locks.lock({0, UINT64_MAX, true, 1, nullptr}), 0);
  int64_t result = 0;
  for (uint64_t i = 0; i < 5000 && result == 0; ++i) result = locks.unlock({i * 10, i * 10 + 1, true, 1, nullptr});
  EXPECT_EQ(result, -ENOLCK);
}

TEST(Locks, ReadRangesAsLinuxDoes) {
  RangeLock range;
  struct ::flock lock {};
  lock.l_whence = SEEK_END;
  lock.l_start = -10;
  lock.l_len = 0;
  EXPECT_EQ(lock_range(lock, 0, 100, range), 0);
  EXPECT_EQ(range.begin, 90u);
  EXPECT_EQ(range.end, UINT64_MAX);
  lock.l_len = -20;
  EXPECT_EQ(lock_range(lock, 0, 100, range), 0);
  EXPECT_EQ(range.begin, 70u);
  EXPECT_EQ(range.end, 90u);
  lock.l_len = -100;
  EXPECT_EQ(lock_range(lock, 0, 100, range), -EINVAL);
  lock.l_start = INT64_MAX;
  EXPECT_EQ(lock_range(lock, 0, 100, range), -EOVERFLOW);
  lock.l_whence = 9;
  EXPECT_EQ(lock_range(lock, 0, 100, range), -EINVAL);
}

}  // namespace
}  // namespace shrike::sandbox::microvm

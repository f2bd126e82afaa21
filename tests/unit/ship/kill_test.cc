// kill -9 at any moment: a child seals, reads and takes acknowledgements as fast as it can, is killed, and what it told
// before must be in the spool, with the same hash under the same seq.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>

#include "tests/unit/ship/verifier.h"

namespace shrike::ship {
namespace {
using test::Rig;
using test::Verifier;

struct Told {
  uint64_t seq = 0;
  uint64_t acked = 0;
  Digest hash{};
};

/// Never returns. Each batch is told after it was appended, as a publisher would send it.
[[noreturn]] void child(Rig& rig, int pipe, uint32_t seed) {
  auto spool = Spool::open(rig.options(), rig.identity);
  if (!spool) _exit(1);
  std::mt19937 random(seed);
  Told told;
  for (;;) {
    if (!rig.append(**spool, Lane::telemetry, static_cast<uint32_t>(1 + random() % 5), random() % 3000)) _exit(2);
    for (;;) {
      auto next = (*spool)->next(Lane::telemetry);
      if (!next) _exit(3);
      if (!*next) break;
      const auto batch = open_batch((*next)->bytes);
      if (!batch) _exit(4);
      told.seq = batch->header.seq;
      told.hash = batch->header.drop ? batch->header.drop->last_hash : batch->hash;
      if (::write(pipe, &told, sizeof told) != sizeof told) _exit(5);
      if (random() % 10 != 0) continue;
      AckBody ack;
      ack.node = "web-1";
      ack.boot = batch->header.boot;
      ack.lane = Lane::telemetry;
      ack.seq = told.seq;
      ack.hash = told.hash;
      if (!(*spool)->acknowledge(ack)) _exit(6);
      told.acked = told.seq;
    }
  }
}

TEST(Kill, AtAnyMomentLosesNothingToldAndUsesNoSeqTwice) {
  Rig rig;
  rig.max_bytes = 1u << 20;
  std::map<uint64_t, Digest> told;
  uint64_t acked = 0;
  std::mt19937 random(7);
  for (uint32_t round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) child(rig, ends[1], round);
    ::close(ends[1]);
    Told one;
    uint64_t count = 0;
    const uint64_t enough = 1 + random() % 150;
    while (::read(ends[0], &one, sizeof one) == sizeof one) {
      const auto [at, fresh] = told.emplace(one.seq, one.hash);
      ASSERT_EQ(at->second, one.hash) << "seq " << one.seq << " was used for two batches";
      acked = std::max(acked, one.acked);
      if (++count == enough) ::kill(pid, SIGKILL);
    }
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status)) << "child gave up with " << WEXITSTATUS(status);

    const auto spool = rig.open();
    ASSERT_GE(spool->next_link(Lane::telemetry).seq, told.rbegin()->first + 1);
    Verifier verifier;
    for (const auto& [bytes, batch] : test::drain(*spool, Lane::telemetry, rig.identity.key.public_key())) {
      const Judgement judgement = verifier.take(batch);
      ASSERT_EQ(judgement.verdict, Verdict::accepted) << judgement.reason;
      const auto known = told.find(batch.header.seq);
      ASSERT_TRUE(known == told.end() || batch.header.drop || known->second == batch.hash);
    }
    ASSERT_GE(verifier.head.seq, told.rbegin()->first) << "a batch that was sent is gone";
  }
  EXPECT_GT(acked, 0u);
}

}  // namespace
}  // namespace shrike::ship

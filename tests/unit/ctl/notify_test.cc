#include "collector/ctl/notify.h"

#include <gtest/gtest.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>

namespace shrike::ctl {
namespace {

TEST(NotifySocket, HearsReadinessAndStatus) {
  auto notify = NotifySocket::open();
  ASSERT_TRUE(notify.ok()) << notify.error().message;
  EXPECT_FALSE(notify->ready());
  const std::string entry = notify->environment();
  ASSERT_EQ(setenv("NOTIFY_SOCKET", entry.substr(entry.find('=') + 1).c_str(), 1), 0);
  ASSERT_GT(sd_notify(0, "STATUS=loading"), 0);
  EXPECT_FALSE(notify->ready());
  ASSERT_GT(sd_notify(1, "READY=1\nSTATUS=up"), 0);
  EXPECT_TRUE(notify->ready());
  EXPECT_TRUE(notify->ready()) << "stays so";
  EXPECT_EQ(notify->status(), "up");
}

}  // namespace
}  // namespace shrike::ctl

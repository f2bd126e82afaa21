#include "sandbox/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace shrike::sandbox {
namespace {

TEST(JobClient, StartsNoneOfItsOwnWhereThatIsNotWanted) {
  Job job;
  job.id = "j";
  job.caller = "c";
  job.program = "/job/true";
  job.arguments = {"true"};
  JobFiles files;
  files.program = Fd(::open("/bin/true", O_RDONLY | O_CLOEXEC));
  ClientOptions options;
  options.socket = "/nonexistent/sandbox.sock";
  options.program = "/bin/true";
  options.own = false;
  const auto client = JobClient::start(options, job, files);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code, ENOENT);
  EXPECT_NE(client.error().message.find("/nonexistent/sandbox.sock"), std::string::npos);
}

}  // namespace
}  // namespace shrike::sandbox

#include "sandbox/job.h"

#include <gtest/gtest.h>

namespace shrike::sandbox {
namespace {

Job some_job() {
  Job job;
  job.id = "job-1";
  job.caller = "local:0";
  job.program = "/tmp/program";
  job.arguments = {"program", "", "two words", "\xff\x01"};
  job.environment = {"PATH=/bin"};
  job.files = {{"/tmp/in", 0600}, {"/etc/config", 0644}};
  job.has_input = true;
  job.limits.calls = 12;
  return job;
}

std::string without(std::string text, const std::string& what, const std::string& instead = "") {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), instead);
}

TEST(Job, ComesBackFromItsJsonAsItWas) {
  for (const Backend backend : {Backend::process, Backend::microvm}) {
    Job job = some_job();
    job.backend = backend;
    job.profile = Profile::strict;
    job.network = Network::none;
    const std::string text = job_to_json(job);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto back = job_from_json(text);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(job_to_json(*back), text);
    EXPECT_EQ(back->arguments, job.arguments) << "bytes that are no UTF-8 are kept";
    EXPECT_EQ(back->files.size(), 2u);
    EXPECT_EQ(back->backend, backend);
  }
}

TEST(Job, NamesTheKeyThatIsWrong) {
  const std::string good = job_to_json(some_job());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"job: is not JSON", "{"},
      {"job: is no object", "[]"},
      {"job: id is missing", without(good, "\"id\"", "\"di\"")},
      {"unknown key more", without(good, "{", "{\"more\":1,")},
      {"profile is not one", without(good, "observe", "lenient")},
      {"has_input is neither", without(good, "\"has_input\":true", "\"has_input\":1")},
      {"limits: cpu_ms is no whole number", without(good, "\"cpu_ms\":30000", "\"cpu_ms\":-1")},
      {"limits: unknown key", without(good, "\"cpu_ms\"", "\"x\":1,\"cpu_ms\"")},
      {"files[0]: mode is too large", without(good, "\"mode\":384", "\"mode\":4095")},
      {"arguments[0]", without(good, "\"program\",\"\"", "5,\"\"")},
      {"is 0, 1 to", without(good, "\"cpu_ms\":30000", "\"cpu_ms\":0")},
  };
  for (const auto& [what, text] : cases) {
    const auto got = job_from_json(text);
    ASSERT_FALSE(got.ok()) << text;
    EXPECT_NE(got.error().message.find(what), std::string::npos) << got.error().message << "\n" << text;
  }
}

TEST(Job, RefusesPathsThatLeadElsewhere) {
  for (const char* path :
       {"", "relative", "/", "/a/../b", "/a//b", "/a/", "/./a", "/proc/self/exe", "/dev/null", "/sys"}) {
    Job job = some_job();
    job.files = {{path, 0644}};
    EXPECT_FALSE(check_job(job).ok()) << path;
    job = some_job();
    job.program = path;
    EXPECT_FALSE(check_job(job).ok()) << path;
  }
  Job job = some_job();
  job.files = {{"/process", 0644}, {"/..a/.b", 0644}};
  EXPECT_TRUE(check_job(job).ok());
  job.files = {{std::string("/a\0b", 4), 0644}};
  EXPECT_FALSE(check_job(job).ok());
  job.files = {{"/tmp/program", 0644}};
  EXPECT_FALSE(check_job(job).ok()) << "the program is there already";
}

TEST(Job, BoundsWhatAClientAsksFor) {
  const auto wrong = [](auto change) {
    Job job = some_job();
    change(job);
    return !check_job(job).ok();
  };
  EXPECT_TRUE(wrong([](Job& j) { j.id = ""; }));
  EXPECT_TRUE(wrong([](Job& j) { j.id = "a/b"; }));
  EXPECT_TRUE(wrong([](Job& j) { j.id = std::string(65, 'a'); }));
  EXPECT_TRUE(wrong([](Job& j) { j.caller = "a b"; }));
  EXPECT_TRUE(wrong([](Job& j) { j.arguments.assign(5000, "a"); }));
  EXPECT_TRUE(wrong([](Job& j) { j.arguments = {std::string(2 << 20, 'a')}; }));
  EXPECT_TRUE(wrong([](Job& j) { j.environment = {std::string("A=\0", 3)}; }));
  EXPECT_TRUE(wrong([](Job& j) { j.files.assign(63, {"/tmp/x", 0644}); }));
  EXPECT_TRUE(wrong([](Job& j) { j.files[0].mode = 04755; }));
  EXPECT_TRUE(wrong([](Job& j) { j.limits.wall = std::chrono::milliseconds(0); }));
  EXPECT_TRUE(wrong([](Job& j) { j.limits.memory_bytes = 1; }));
  EXPECT_TRUE(wrong([](Job& j) { j.limits.processes = 0; }));
  EXPECT_FALSE(wrong([](Job& j) { j.limits.output_bytes = 0; }));
}

}  // namespace
}  // namespace shrike::sandbox

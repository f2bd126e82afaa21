// bpf/lsm.bpf.c: with BPF LSM, changes by path show the object that the kernel found behind links on the way.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/kernel/child.h"

namespace shrike {
namespace {

using test::Child;
using test::expect_by;
using test::run_child;
using test::Watch;

// "link" leads to the directory "real"; rules name only "real", calls only "link".
class LsmEvents : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEED("bpf", Watch::possible());
    std::filesystem::create_directory(real_);
    std::filesystem::create_directory_symlink("real", scratch_ / "link");
    std::ofstream(real_ + "/file") << "x";
    FilterSpec spec;
    spec.prefixes[real_] = access_all;
    watch_ = std::make_unique<Watch>(
        std::initializer_list<EventKind>{EventKind::rename, EventKind::unlink, EventKind::link, EventKind::symlink,
                                         EventKind::mkdir, EventKind::rmdir, EventKind::chmod, EventKind::chown,
                                         EventKind::truncate},
        spec);
    ASSERT_TRUE(watch_->open());
  }
  void need_lsm() { SHRIKE_NEED("lsm", watch_->source().features().bpf_lsm); }
  const char* linked(const std::string& name) {
    kept_.push_back(std::make_unique<std::string>(scratch_ / "link" + "/" + name));
    return kept_.back()->c_str();
  }
  test::Scratch scratch_;
  const std::string real_ = scratch_ / "real";
  std::unique_ptr<Watch> watch_;

 private:
  std::vector<std::unique_ptr<std::string>> kept_;
};

TEST_F(LsmEvents, ChangesThroughALinkedDirectoryShowTheRealObject) {
  ASSERT_NO_FATAL_FAILURE(need_lsm());
  if (IsSkipped()) return;
  struct stat st {};
  ASSERT_EQ(::stat((real_ + "/file").c_str(), &st), 0);
  const Child child = run_child([&] {
    if (::chmod(linked("file"), 0640) != 0) ::_exit(1);
    if (::chown(linked("file"), 0, 0) != 0) ::_exit(2);
    if (::truncate(linked("file"), 7) != 0) ::_exit(3);
    if (::link(linked("file"), linked("hard")) != 0) ::_exit(4);
    if (::symlink("/etc/shadow", linked("soft")) != 0) ::_exit(5);
    if (::mkdir(linked("new"), 0700) != 0) ::_exit(6);
    if (::rmdir(linked("new")) != 0) ::_exit(7);
    if (::unlink(linked("hard")) != 0) ::_exit(8);
    if (::rename(linked("file"), linked("moved")) != 0) ::_exit(9);
  });
  ASSERT_TRUE(WIFEXITED(child.status));
  ASSERT_EQ(WEXITSTATUS(child.status), 0);
  const struct {
    EventKind kind;
    std::string name;
    bool is_file;
  } wanted[] = {
      {EventKind::chmod, "file", true}, {EventKind::chown, "file", true},    {EventKind::truncate, "file", true},
      {EventKind::link, "file", true},  {EventKind::symlink, "soft", false}, {EventKind::mkdir, "new", false},
      {EventKind::rmdir, "new", false}, {EventKind::unlink, "hard", true},   {EventKind::rename, "moved", true}};
  for (const auto& w : wanted) {
    const auto* seen = expect_by(*watch_, child.pid, w.kind);
    ASSERT_NE(seen, nullptr) << kind_name(w.kind);
    EXPECT_EQ((*seen)->real_path, real_ + "/" + w.name) << kind_name(w.kind);
    if (w.is_file) {
      EXPECT_EQ((*seen)->object.inode, st.st_ino) << kind_name(w.kind);
    }
  }
  const auto programs = watch_->source().counters().programs;
  EXPECT_TRUE(std::any_of(programs.begin(), programs.end(),
                          [](const auto& program) { return program.name == "lsm_unlink" && program.runs > 0; }));
}

TEST_F(LsmEvents, ANoteIsTakenByItsOwnCallOnly) {
  ASSERT_NO_FATAL_FAILURE(need_lsm());
  if (IsSkipped()) return;
  const Child child = run_child([&] {
    ::unlink(linked("file"));     // noted
    ::unlink("/nowhere/at/all");  // fails before any hook: has no note
    ::unlink(linked("file"));     // the same, at a path that nobody names
    ::mkdir((real_ + "/last").c_str(), 0700);
  });
  ASSERT_NE(expect_by(*watch_, child.pid, EventKind::mkdir), nullptr);
  EXPECT_EQ(watch_->count([&](const Event& e) {
    return e.kind == EventKind::unlink && e.task.pid == static_cast<uint32_t>(child.pid);
  }),
            1u);
}

}  // namespace
}  // namespace shrike

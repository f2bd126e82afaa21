#include <sys/statfs.h>

#include <set>

#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/objects.h"
#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

/// A guest of two processes: 1 with threads 1 and 7, and 9.
class View final : public GuestView {
 public:
  explicit View(GuestFiles& guest) : guest_(guest) {}
  [[nodiscard]] uint32_t current_process() const override { return current; }
  [[nodiscard]] uint32_t current_thread() const override { return current; }
  [[nodiscard]] std::vector<uint32_t> processes() const override { return {1, 9}; }
  [[nodiscard]] std::optional<ProcessFacts> facts(uint32_t pid) const override {
    if (pid != 1 && (pid != 9 || gone)) return std::nullopt;
    ProcessFacts facts;
    facts.pid = pid;
    facts.parent = pid == 9 ? 1 : 0;
    facts.comm = pid == 9 ? "sh" : "init";
    facts.threads = {pid};
    if (pid == 1) facts.threads.push_back(7);
    facts.total_bytes = 8192;
    return facts;
  }
  [[nodiscard]] std::string argv(uint32_t) const override { return std::string("sh\0-c\0", 6); }
  [[nodiscard]] std::string environ(uint32_t) const override { return std::string("A=b\0", 4); }
  [[nodiscard]] std::string maps(uint32_t) const override {
    return "00400000-00401000 r-xp 00000000 00:00 0 /bin/sh\n";
  }
  [[nodiscard]] std::shared_ptr<Node> exe(uint32_t pid) const override { return facts(pid) ? exe_ : nullptr; }
  [[nodiscard]] std::optional<Place> place(uint32_t pid) const override {
    if (!facts(pid)) return std::nullopt;
    return guest_.place;
  }
  [[nodiscard]] std::vector<int> descriptors(uint32_t) const override { return {0, 1, 5}; }
  [[nodiscard]] FilePtr descriptor(uint32_t, int fd) const override {
    return fd == 0 || fd == 1 || fd == 5 ? files_[fd] : nullptr;
  }

  uint32_t current = 9;
  bool gone = false;
  NodePtr exe_;
  mutable std::map<int, FilePtr> files_;

 private:
  GuestFiles& guest_;
};

struct Proc : testing::Test {
  GuestFiles guest{{{"/bin/sh", "#!x"}, {"/etc/passwd", "below"}}};
  View view{guest};
  std::string said;
  void SetUp() override {
    furnish(guest.files, "web", 1);
    mount_proc(guest.files, view);
    view.exe_ = guest.node("/bin/sh");
    view.files_[0] = make_input(guest.files.store(), "typed");
    view.files_[1] = make_output(guest.files.store(), [this](std::string_view text) { said += text; });
    guest.write("/tmp/open", "content");
    view.files_[5] = guest.open("/tmp/open");
  }
  std::string link(std::string_view path) {
    const NodePtr node = guest.node(path, false);
    std::string out;
    const int64_t error = node ? guest.files.read_link(*node, out) : guest.error < 0 ? guest.error : -ENOENT;
    return error < 0 ? "error " + std::to_string(-error) : out;
  }
  std::set<std::string> names(std::string_view path) {
    std::set<std::string> out;
    const auto folder = std::dynamic_pointer_cast<Folder>(guest.node(path));
    if (!folder) return out;
    Folder::Entry entry;
    for (uint64_t at = 2; folder->next(at, entry); at = entry.next) out.emplace(entry.name);
    return out;
  }
};

TEST_F(Proc, ShowsProcessesThatAreThere) {
  EXPECT_EQ(guest.text("/proc/9/comm"), "sh\n");
  EXPECT_EQ(guest.text("/proc/self/cmdline"), std::string("sh\0-c\0", 6));
  EXPECT_EQ(guest.text("/proc/thread-self/comm"), "sh\n");
  EXPECT_EQ(guest.text("/proc/1/task/7/comm"), "init\n");
  EXPECT_EQ(guest.node("/proc/1/task/9"), nullptr);
  EXPECT_EQ(guest.node("/proc/09"), nullptr);
  EXPECT_EQ(guest.node("/proc/4294967297"), nullptr);
  EXPECT_NE(guest.text("/proc/9/status").find("\nPPid:\t1\nTracerPid:\t0\n"), std::string::npos);
  EXPECT_TRUE(guest.text("/proc/9/stat").starts_with("9 (sh) R 1 "));
  EXPECT_EQ(guest.files.path_of(*guest.node("/proc/self/status")), "/proc/9/status");
  const FilePtr kept = guest.open("/proc/9/status");
  view.gone = true;
  EXPECT_EQ(read_from(*kept), "");
  EXPECT_EQ(guest.node("/proc/9"), nullptr);
  EXPECT_TRUE(names("/proc").contains("1"));
}

TEST_F(Proc, ListsWhatItFinds) {
  for (const char* folder : {"/proc", "/proc/1", "/proc/1/task", "/proc/self/fd", "/proc/self/ns", "/proc/net", "/sys",
                             "/sys/class/net", "/proc/sys/kernel", "/dev"})
    for (const std::string& name : names(folder))
      EXPECT_NE(guest.node(std::string(folder) + "/" + name, false), nullptr) << folder << " " << name;
  EXPECT_EQ(names("/proc/self/fd"), (std::set<std::string>{"0", "1", "5"}));
}

TEST_F(Proc, FollowsItsLinksWithoutTheirText) {
  EXPECT_EQ(link("/proc/self"), "9");
  EXPECT_EQ(link("/proc/self/exe"), "/bin/sh");
  EXPECT_EQ(link("/proc/self/cwd"), "/");
  EXPECT_EQ(guest.text("/proc/self/exe"), "#!x");
  EXPECT_EQ(guest.files.unlink(guest.name("/bin/sh"), false), 0);
  EXPECT_EQ(link("/proc/self/exe"), "/bin/sh (deleted)");
  EXPECT_EQ(guest.text("/proc/self/exe"), "#!x");
  EXPECT_EQ(guest.text("/proc/self/root/proc/self/cwd/tmp/open"), "content");
  view.gone = true;
  view.current = 1;
  EXPECT_EQ(link("/proc/9/exe"), "error " + std::to_string(ENOENT));
}

TEST_F(Proc, OpensWhatIsOpenAnew) {
  EXPECT_EQ(link("/proc/self/fd/5"), "/tmp/open");
  EXPECT_EQ(guest.text("/dev/fd/5"), "content");
  EXPECT_EQ(guest.text("/dev/fd/5"), "content");
  EXPECT_TRUE(link("/proc/self/fd/1").starts_with("pipe:["));
  EXPECT_EQ(guest.write("/dev/stdout", "hello", O_WRONLY), 5);
  EXPECT_EQ(said, "hello");
  EXPECT_EQ(guest.text("/dev/stdin"), "typed");
  EXPECT_EQ(link("/proc/self/fd/6"), "error " + std::to_string(ENOENT));
  FilePtr event;
  ASSERT_EQ(make_event(guest.files.store(), 0, 0, event), 0);
  view.files_[5] = event;
  EXPECT_EQ(link("/proc/self/fd/5"), "anon_inode:[eventfd]");
  EXPECT_EQ(guest.text("/dev/fd/5"), "error " + std::to_string(ENXIO));
}

TEST_F(Proc, CannotBeChanged) {
  EXPECT_EQ(guest.files.make_folder(guest.name("/proc/new"), 0755), -EPERM);
  EXPECT_EQ(guest.files.unlink(guest.name("/proc/cpuinfo"), false), -EPERM);
  EXPECT_EQ(guest.files.unlink(guest.name("/proc"), true), -EBUSY);
  EXPECT_EQ(guest.files.rename(guest.name("/proc"), guest.name("/other"), 0), -EBUSY);
  EXPECT_EQ(guest.files.rename(guest.name("/proc/version"), guest.name("/other"), 0), -EXDEV);
  EXPECT_EQ(guest.files.rename(guest.name("/tmp/open"), guest.name("/dev/shm/x"), 0), -EXDEV);
  EXPECT_EQ(guest.write("/proc/version", "x", O_WRONLY), -EACCES);
  EXPECT_EQ(guest.write("/proc/self/oom_score_adj", "1000", O_WRONLY), 4);
  EXPECT_EQ(guest.write("/proc/sys/vm/swappiness", "1\n", O_WRONLY), 2);
  EXPECT_EQ(guest.text("/proc/sys/vm/swappiness"), "1\n");
  EXPECT_EQ(guest.write("/proc/sys/vm/swappiness", std::string(100000, 'x'), O_WRONLY), 4096);
}

TEST_F(Proc, AgreesWithItselfAndStaysTheSame) {
  EXPECT_EQ(guest.text("/proc/sys/kernel/osrelease"), std::string(guest_release) + "\n");
  EXPECT_NE(guest.text("/proc/version").find(guest_release), std::string::npos);
  EXPECT_EQ(guest.text("/proc/sys/kernel/random/boot_id"), guest.text("/proc/sys/kernel/random/boot_id"));
  EXPECT_NE(guest.text("/proc/sys/kernel/random/uuid"), guest.text("/proc/sys/kernel/random/uuid"));
  EXPECT_EQ(guest.node("/proc/9/status")->number(), guest.node("/proc/9/status")->number());
  EXPECT_NE(guest.node("/proc/9/status")->number(), guest.node("/proc/1/status")->number());
  struct ::statfs out {};
  guest.files.statistics(*guest.node("/proc/self/status"), out);
  EXPECT_EQ(out.f_type, 0x9fa0);
}

TEST_F(Proc, TextsAreReadInPieces) {
  const std::string whole = guest.text("/proc/cpuinfo");
  const FilePtr file = guest.open("/proc/cpuinfo");
  std::string pieces;
  for (std::string piece; !(piece = read_from(*file, 100)).empty();) pieces += piece;
  EXPECT_EQ(pieces, whole);
  EXPECT_EQ(file->seek(5, SEEK_SET), 5);
  EXPECT_EQ(read_from(*file, 10), whole.substr(5, 10));
}

TEST_F(Proc, FurnitureIsInventedAndReplacesWhatIsBelow) {
  EXPECT_TRUE(guest.text("/etc/passwd").starts_with("root:x:0:0:"));
  EXPECT_EQ(guest.text("/etc/hostname"), "web\n");
  for (const std::string& path : bait_paths()) EXPECT_GT(guest.text(path).size(), 30u) << path;
  GuestFiles other, same;
  furnish(other.files, "web", 2);
  furnish(same.files, "web", 1);
  EXPECT_NE(other.text("/root/.ssh/id_rsa"), guest.text("/root/.ssh/id_rsa"));
  EXPECT_EQ(same.text("/root/.ssh/id_rsa"), guest.text("/root/.ssh/id_rsa"));
  EXPECT_EQ(guest.used_nodes(), 1u);
  uint64_t dropped = 0;
  EXPECT_EQ(guest.files.artefacts(10, dropped).size(), 1u);
}

}  // namespace
}  // namespace shrike::sandbox::microvm

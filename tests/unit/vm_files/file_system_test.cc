#include "sandbox/microvm/files/file_system.h"

#include <dirent.h>
#include <linux/fs.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "tests/unit/vm_files/guest_files.h"

namespace shrike::sandbox::microvm {
namespace {

std::vector<std::pair<std::string, std::string>> below() {
  return {{"/etc/passwd", "root:x:0:0\n"},     {"/bin", "->usr/bin"},    {"/usr/bin/sh", "#!shell"},
          {"/usr/bin/ls", "\177ELF"},          {"/loop", "->loop"},      {"/here", "->."},
          {"/large", std::string(10000, 'x')}, {"/abs", "->/etc/passwd"}};
}

TEST(FileSystem, ShowsTheTreeBelowThroughLinks) {
  GuestFiles guest(below());
  EXPECT_EQ(guest.text("/bin/sh"), "#!shell");
  EXPECT_EQ(guest.text("/here/here/abs"), "root:x:0:0\n");
  EXPECT_EQ(guest.text("/bin/../../../etc/passwd"), "root:x:0:0\n");
  EXPECT_EQ(guest.text("/loop"), "error " + std::to_string(ELOOP));
  EXPECT_EQ(guest.text("/etc/passwd/"), "error " + std::to_string(ENOTDIR));
  EXPECT_EQ(guest.text("/none"), "error " + std::to_string(ENOENT));
  EXPECT_EQ(guest.files.path_of(*guest.node("/bin/sh")), "/usr/bin/sh");
  EXPECT_EQ(guest.used_bytes(), 0u);
  EXPECT_EQ(guest.used_nodes(), 0u);
}

TEST(FileSystem, WritesAboveTheTreeBelowPageByPage) {
  GuestFiles guest(below());
  EXPECT_EQ(guest.write("/large", "Y", O_WRONLY), 1);
  EXPECT_EQ(guest.text("/large"), "Y" + std::string(9999, 'x'));
  EXPECT_EQ(guest.used_bytes(), 4096u);
  EXPECT_EQ(guest.files.truncate(*guest.node("/large"), 5000), 0);
  EXPECT_EQ(guest.files.truncate(*guest.node("/large"), 9000), 0);
  EXPECT_EQ(guest.text("/large"), "Y" + std::string(4999, 'x') + std::string(4000, '\0'));
  EXPECT_EQ(guest.files.unlink(guest.name("/large"), false), 0);
  EXPECT_EQ(guest.used_bytes(), 0u);
  EXPECT_EQ(guest.node("/large"), nullptr);
}

TEST(FileSystem, KeepsARemovedFileWhileItIsOpen) {
  GuestFiles guest;
  guest.write("/a", "text");
  const FilePtr file = guest.open("/a");
  EXPECT_EQ(guest.files.unlink(guest.name("/a"), false), 0);
  EXPECT_EQ(read_from(*file), "text");
  EXPECT_EQ(guest.files.path_of(*file->node()), "/a (deleted)");
  EXPECT_EQ(guest.used_nodes(), 1u);
}

TEST(FileSystem, KnowsTheWayUpFromARemovedFolder) {
  GuestFiles guest;
  guest.files.make_folder(guest.name("/a"), 0755);
  guest.files.make_folder(guest.name("/a/b"), 0755);
  Place inside{guest.files.root(), guest.node("/a/b"), {}};
  EXPECT_EQ(guest.files.unlink(guest.name("/a/b"), true), 0);
  EXPECT_EQ(guest.files.unlink(guest.name("/a"), true), 0);
  Found found;
  EXPECT_EQ(guest.files.resolve(inside, nullptr, "../..", true, found), 0);
  EXPECT_EQ(found.node, guest.files.root());
  EXPECT_EQ(guest.files.resolve(inside, nullptr, "new", true, found), 0);
  EXPECT_EQ(guest.files.make_folder(found, 0755), -ENOENT);
  EXPECT_EQ(guest.files.path_of(*inside.cwd), "/a/b (deleted)");
}

TEST(FileSystem, DoesNotLeaveAChangedRoot) {
  GuestFiles guest(below());
  Place jailed{guest.node("/usr"), guest.node("/usr/bin"), {}};
  Found found;
  EXPECT_EQ(guest.files.resolve(jailed, nullptr, "../../../etc/passwd", true, found), -ENOENT);
  EXPECT_EQ(guest.files.resolve(jailed, nullptr, "/../bin/sh", true, found), 0);
  EXPECT_NE(found.node, nullptr);
}

TEST(FileSystem, HoldsBytesAndFilesAgainstTheQuota) {
  GuestFiles guest({}, {.bytes = 8192, .nodes = 3});
  EXPECT_EQ(guest.write("/a", std::string(9000, 'a')), 8192);
  EXPECT_EQ(guest.write("/b", "b"), -ENOSPC);
  EXPECT_EQ(guest.files.make_folder(guest.name("/c"), 0755), 0);
  EXPECT_EQ(guest.files.make_folder(guest.name("/d"), 0755), -ENOSPC);
  EXPECT_EQ(guest.files.link(guest.node("/a"), guest.name("/e")), -ENOSPC);
  EXPECT_EQ(guest.files.truncate(*guest.node("/a"), 0), 0);
  EXPECT_EQ(guest.write("/b", "b", O_WRONLY), 1);
  for (const char* path : {"/a", "/b"}) EXPECT_EQ(guest.files.unlink(guest.name(path), false), 0);
  EXPECT_EQ(guest.files.unlink(guest.name("/c"), true), 0);
  EXPECT_EQ(guest.used_bytes(), 0u);
  EXPECT_EQ(guest.used_nodes(), 0u);
}

TEST(FileSystem, GivesATerabyteOfHolesForNothing) {
  GuestFiles guest;
  const FilePtr file = guest.open("/sparse", O_CREAT | O_RDWR);
  const uint64_t tera = uint64_t{1} << 40;
  EXPECT_EQ(file->write(bytes_of("end"), tera - 3), 3);
  EXPECT_EQ(file->seek(0, SEEK_DATA), static_cast<int64_t>(tera - 4096));
  EXPECT_EQ(file->seek(0, SEEK_HOLE), 0);
  struct ::stat status {};
  file->status(status);
  EXPECT_EQ(status.st_size, static_cast<off_t>(tera));
  EXPECT_EQ(status.st_blocks, 8);
  EXPECT_EQ(guest.used_bytes(), 4096u);
  EXPECT_EQ(file->allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, tera), 0);
  EXPECT_EQ(guest.used_bytes(), 0u);
  EXPECT_EQ(file->allocate(0, 0, tera), -ENOSPC);
  uint64_t dropped = 0;
  const auto artefacts = guest.files.artefacts(10, dropped);
  ASSERT_EQ(artefacts.size(), 1u);
  EXPECT_EQ(artefacts[0].sha256, "");
}

TEST(FileSystem, ListsArtefactsThatAreStillThereWithHashes) {
  GuestFiles guest(below());
  ASSERT_EQ(guest.files.put("/job/program", 0755, "not the guest's"), 0);
  guest.write("/etc/passwd", "evil::0:0\n", O_WRONLY | O_APPEND);
  guest.write("/tmp", "abc");
  guest.write("/gone", "x");
  EXPECT_EQ(guest.files.unlink(guest.name("/gone"), false), 0);
  uint64_t dropped = 0;
  auto artefacts = guest.files.artefacts(10, dropped);
  std::sort(artefacts.begin(), artefacts.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  ASSERT_EQ(artefacts.size(), 2u);
  EXPECT_EQ(artefacts[0].path, "/etc/passwd");
  EXPECT_EQ(artefacts[0].size_bytes, 21u);
  EXPECT_EQ(artefacts[1].sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(guest.files.artefacts(1, dropped).size(), 1u);
  EXPECT_EQ(dropped, 1u);
}

TEST(FileSystem, ListsWhatCanBeExecutedBeforeWhatIsMany) {
  GuestFiles guest;
  for (int i = 0; i < 50; ++i) guest.write("/a" + std::to_string(i), "chaff");
  guest.write("/z", "p");
  EXPECT_EQ(guest.files.change_mode(*guest.node("/z"), 0755), 0);
  guest.write("/large", std::string(9000, 'x'));
  uint64_t dropped = 0;
  const auto artefacts = guest.files.artefacts(2, dropped);
  ASSERT_EQ(artefacts.size(), 2u);
  EXPECT_EQ(artefacts[0].path, "/z");
  EXPECT_EQ(artefacts[1].path, "/large");
  EXPECT_EQ(dropped, 50u);
}

TEST(FileSystem, ExchangesAndRefusesToReplace) {
  GuestFiles guest;
  guest.write("/a", "A");
  guest.write("/b", "B");
  EXPECT_EQ(guest.files.rename(guest.name("/a"), guest.name("/b"), RENAME_NOREPLACE), -EEXIST);
  EXPECT_EQ(guest.files.rename(guest.name("/a"), guest.name("/b"), RENAME_EXCHANGE), 0);
  EXPECT_EQ(guest.text("/a") + guest.text("/b"), "BA");
  EXPECT_EQ(guest.files.rename(guest.name("/a"), guest.name("/b"), 0), 0);
  EXPECT_EQ(guest.text("/b"), "B");
  EXPECT_EQ(guest.used_nodes(), 1u);
}

TEST(FileSystem, LinksATemporaryFileIntoTheTreeOnce) {
  GuestFiles guest;
  const FilePtr file = guest.open("/", O_TMPFILE | O_RDWR);
  ASSERT_NE(file, nullptr);
  write_to(*file, "hidden");
  EXPECT_EQ(guest.files.link(file->node(), guest.name("/shown")), 0);
  EXPECT_EQ(guest.text("/shown"), "hidden");
  const FilePtr own = guest.open("/", O_TMPFILE | O_EXCL | O_RDWR);
  EXPECT_EQ(guest.files.link(own->node(), guest.name("/never")), -ENOENT);
}

TEST(FileSystem, KeepsExtendedAttributesWithinTheQuota) {
  GuestFiles guest({}, {.bytes = 8192, .nodes = 9});
  guest.write("/a", "");
  Node& node = *guest.node("/a");
  std::string value;
  EXPECT_EQ(guest.files.set_attribute(node, "user.x", "1", XATTR_REPLACE), -ENODATA);
  EXPECT_EQ(guest.files.set_attribute(node, "user.x", "1", XATTR_CREATE), 0);
  EXPECT_EQ(guest.files.set_attribute(node, "user.x", "2", XATTR_CREATE), -EEXIST);
  EXPECT_EQ(guest.files.set_attribute(node, "system.posix_acl_access", "2", 0), -EOPNOTSUPP);
  EXPECT_EQ(guest.files.set_attribute(node, "user.y", std::string(9000, 'y'), 0), -ENOSPC);
  EXPECT_EQ(guest.files.get_attribute(node, "user.x", value), 0);
  EXPECT_EQ(value, "1");
  EXPECT_EQ(guest.files.list_attributes(node, value), 0);
  EXPECT_EQ(value, std::string("user.x\0", 7));
  EXPECT_EQ(guest.files.remove_attribute(node, "user.x"), 0);
  EXPECT_EQ(guest.used_bytes(), 0u);
}

TEST(FileSystem, ListsAFolderWhileItsNamesGo) {
  GuestFiles guest;
  for (int i = 0; i < 50; ++i) guest.write("/" + std::to_string(i), "");
  const FilePtr folder = guest.open("/", O_RDONLY | O_DIRECTORY);
  alignas(8) std::byte buffer[300];
  int seen = 0;
  for (int64_t got = 0; (got = folder->list(buffer)) > 0;)
    for (int64_t at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      at += entry->d_reclen;
      if (entry->d_name[0] == '.') continue;
      ++seen;
      EXPECT_EQ(guest.files.unlink(guest.name(std::string("/") + entry->d_name), false), 0);
    }
  EXPECT_EQ(seen, 50);
  EXPECT_EQ(folder->list(std::span(buffer).first(3)), 0);
  EXPECT_EQ(folder->seek(0, SEEK_SET), 0);
  EXPECT_EQ(folder->list(std::span(buffer).first(3)), -EINVAL);
}

TEST(FileSystem, SurvivesATreeOfGreatDepth) {
  GuestFiles guest({}, {.bytes = 1u << 20, .nodes = 50'000});
  Place place = guest.place;
  for (int i = 0; i < 40'000; ++i) {
    Found found;
    ASSERT_EQ(guest.files.resolve_name(place, nullptr, "d", found), 0);
    ASSERT_EQ(guest.files.make_folder(found, 0755), 0);
    ASSERT_EQ(guest.files.resolve(place, nullptr, "d", true, found), 0);
    place.cwd = found.node;
  }
  EXPECT_EQ(guest.files.path_of(*place.cwd).size(), 80'000u);
}

TEST(FileSystem, SaysHowMuchIsLeft) {
  GuestFiles guest({}, {.bytes = 8192, .nodes = 3});
  guest.write("/a", "x");
  struct ::statfs out {};
  EXPECT_EQ(guest.files.statistics(*guest.node("/a"), out), 0);
  EXPECT_EQ(out.f_bavail, 1u);
  EXPECT_EQ(out.f_ffree, 2u);
}

TEST(FileSystem, PutsFilesInOnNobodysAccount) {
  GuestFiles guest(below(), {.bytes = 0, .nodes = 0});
  EXPECT_EQ(guest.files.put("/new/deep/file", 0755, std::string(100000, 'p')), 0);
  EXPECT_EQ(guest.files.put("/etc/passwd", 0644, "replaced"), 0);
  EXPECT_EQ(guest.files.put("/bin/sh", 0755, "in usr"), 0);
  EXPECT_EQ(guest.text("/usr/bin/sh"), "in usr");
  EXPECT_EQ(guest.text("/etc/passwd"), "replaced");
  EXPECT_EQ(guest.files.put("relative", 0644, ""), -EINVAL);
  EXPECT_EQ(guest.files.put("/etc/passwd/x", 0644, ""), -ENOTDIR);
  EXPECT_EQ(guest.files.put("/etc", 0644, ""), -EISDIR);
  EXPECT_EQ(guest.node("/new/deep/file")->size(), 100000u);
}

TEST(FileSystem, KnowsWhatWentBeforeItsFolderWasListed) {
  /// Knows each name of its root without being listed; says whether it was.
  class Known final : public Tree {
   public:
    explicit Known(bool& listed) : listed_(listed) {}
    std::optional<TreeEntry> known(uint64_t folder, std::string_view name) override {
      TreeEntry none;
      const auto all = below_->list(folder);
      for (const TreeEntry& entry : *all)
        if (entry.name == name) return entry;
      return none;
    }
    Result<std::vector<TreeEntry>> list(uint64_t folder) override {
      listed_ = true;
      return below_->list(folder);
    }
    Result<TreeEntry> look(uint64_t number) override { return below_->look(number); }
    Result<size_t> read(uint64_t file, uint64_t at, std::span<std::byte> out) override {
      return below_->read(file, at, out);
    }

   private:
    bool& listed_;
    std::unique_ptr<Tree> below_ = memory_tree({{"/a", "A"}, {"/b", "B"}});
  };
  bool listed = false;
  FileSystem files(std::make_unique<Known>(listed), {}, [] { return 1; });
  const Place place{files.root(), files.root(), {}};
  const auto unlink = [&](std::string_view path) {
    Found found;
    return files.resolve_name(place, nullptr, path, found) < 0 ? -EIO : files.unlink(found, false);
  };
  FilePtr file;
  EXPECT_EQ(files.open_at(place, nullptr, "/a", O_RDONLY, 0, file), 0);
  EXPECT_EQ(read_from(*file), "A");
  EXPECT_EQ(unlink("/a"), 0);
  EXPECT_EQ(unlink("/a"), -ENOENT);
  EXPECT_EQ(files.open_at(place, nullptr, "/b", O_CREAT | O_EXCL | O_RDWR, 0644, file), -EEXIST);
  EXPECT_EQ(files.open_at(place, nullptr, "/new", O_CREAT | O_EXCL | O_RDWR, 0644, file), 0);
  EXPECT_EQ(unlink("/new"), 0);
  EXPECT_EQ(files.open_at(place, nullptr, "/new", O_RDONLY, 0, file), -ENOENT);
  EXPECT_FALSE(listed);
  auto& root = dynamic_cast<Folder&>(*files.root());
  Folder::Entry entry;
  ASSERT_TRUE(root.next(2, entry));
  EXPECT_EQ(entry.name, "b");
  EXPECT_FALSE(root.next(entry.next, entry));
  EXPECT_TRUE(listed);
}

TEST(FileSystem, SaysWhenTheTreeBelowFails) {
  class Broken final : public Tree {
    Result<std::vector<TreeEntry>> list(uint64_t) override {
      TreeEntry entry;
      entry.number = 2;
      entry.name = "file";
      entry.mode = S_IFREG;
      return std::vector{entry};
    }
    Result<TreeEntry> look(uint64_t) override {
      TreeEntry entry;
      entry.mode = S_IFREG | 0644;
      entry.size_bytes = 10;
      return entry;
    }
    Result<size_t> read(uint64_t, uint64_t, std::span<std::byte>) override { return Error{"gone", EIO}; }
  };
  FileSystem files(std::make_unique<Broken>(), {}, [] { return 1; });
  FilePtr file;
  ASSERT_EQ(files.open_at({files.root(), files.root(), {}}, nullptr, "/file", O_RDWR, 0, file), 0);
  std::byte bytes[4];
  EXPECT_EQ(file->read(bytes, std::nullopt), -EIO);
  EXPECT_EQ(file->write(bytes, std::nullopt), -EIO);
}

}  // namespace
}  // namespace shrike::sandbox::microvm

#include "sandbox/microvm/files/furniture.h"

#include <sys/sysmacros.h>

#include "sandbox/bait.h"

namespace shrike::sandbox::microvm {

namespace {

void put_devices(FileSystem& files) {
  const StorePtr& store = files.store();
  files.put_node("/dev", std::make_shared<TreeFolder>(store, S_IFDIR | 0755, Volume::devices), true);
  struct Device {
    const char* path;
    unsigned major, minor;
  };
  for (const Device& d : {
           Device{"/dev/null", 1, 3},
           {"/dev/zero", 1, 5},
           {"/dev/full", 1, 7},
           {"/dev/random", 1, 8},
           {"/dev/urandom", 1, 9},
           {"/dev/tty", 5, 0},
       })
    files.put_node(d.path, std::make_shared<DeviceNode>(store, S_IFCHR | 0666, makedev(d.major, d.minor)));
  files.put_node("/dev/sda1", std::make_shared<DeviceNode>(store, S_IFBLK | 0660, makedev(8, 1)));
  files.put_link("/dev/fd", "/proc/self/fd");
  files.put_link("/dev/stdin", "/proc/self/fd/0");
  files.put_link("/dev/stdout", "/proc/self/fd/1");
  files.put_link("/dev/stderr", "/proc/self/fd/2");
  files.put_node("/dev/shm", std::make_shared<TreeFolder>(store, S_IFDIR | 01777, Volume::memory), true);
}

void put_folders(FileSystem& files) {
  for (const char* path : {"/tmp", "/var/tmp", "/run/lock"}) files.put_folder(path, 01777);
  for (const char* path :
       {"/home/anna", "/run", "/var/log", "/var/spool/cron", "/mnt", "/opt", "/srv", "/media", "/boot"})
    files.put_folder(path, 0755);
  files.put_folder("/root", 0700);
  files.put_link("/var/run", "/run");
}

void put_names(FileSystem& files, const std::string& hostname) {
  files.put("/etc/hostname", 0644, hostname + "\n");
  files.put("/etc/hosts", 0644,
            "127.0.0.1\tlocalhost\n127.0.1.1\t" + hostname + "\n::1\tlocalhost ip6-localhost ip6-loopback\n");
  files.put("/etc/resolv.conf", 0644, "nameserver 192.168.1.1\n");
  files.put("/etc/nsswitch.conf", 0644,
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n"
            "services: files\n");
  files.put("/etc/host.conf", 0644, "multi on\n");
  files.put("/etc/os-release", 0644,
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n"
            "VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n");
  files.put("/etc/debian_version", 0644, "12.8\n");
  files.put("/etc/fstab", 0644, "/dev/sda1 / ext4 errors=remount-ro 0 1\n");
  files.put("/etc/shells", 0644, "/bin/sh\n/bin/bash\n");
  files.put("/etc/crontab", 0644, "SHELL=/bin/sh\n17 * * * * root cd / && run-parts --report /etc/cron.hourly\n");
  files.put_link("/etc/mtab", "../proc/self/mounts");
  files.put_link("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
}

void put_bait(FileSystem& files, const std::string& hostname, uint64_t seed) {
  for (const auto& one : bait_files(hostname, seed))
    one.folder ? files.put_folder(one.path, one.mode) : files.put(one.path, one.mode, one.text);
}

}  // namespace

void furnish(FileSystem& files, const std::string& hostname, uint64_t seed) {
  // As on a host that was set up a while ago.
  const Now now = std::exchange(files.store()->now, [] { return uint64_t{1'733'000'000'000'000'000}; });
  put_devices(files);
  put_folders(files);
  put_names(files, hostname);
  put_bait(files, hostname, seed);
  files.use_clock(now);
}

const std::vector<std::string>& bait_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> out{"/etc/shadow"};
    for (const std::string home : {"/root", "/home/anna"})
      for (const char* file : {"/.ssh/id_rsa", "/.aws/credentials", "/.netrc", "/.bash_history"})
        out.push_back(home + file);
    return out;
  }();
  return paths;
}

}  // namespace shrike::sandbox::microvm

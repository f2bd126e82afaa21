#include "sandbox/microvm/files/furniture.h"

#include <sys/sysmacros.h>

#include <random>

namespace shrike::sandbox::microvm {

namespace {

constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Invented text in which secrets are written: `length` characters of the first `letters` of the alphabet.
std::string invented(std::mt19937_64& random, size_t length, size_t letters = 64) {
  std::string out;
  for (size_t i = 0; i < length; ++i) out += alphabet[random() % letters];
  return out;
}

std::string invented_key(std::mt19937_64& random) {
  const std::string what = "OPENSSH PRIVATE KEY-----\n";
  std::string out = "-----BEGIN " + what;
  // Begins as all such keys do: "openssh-key-v1", no cipher.
  std::string body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABlwAAAAdzc2gtcn" + invented(random, 2500);
  for (size_t at = 0; at < body.size(); at += 70) out += body.substr(at, 70) + "\n";
  return out + "-----END " + what;
}

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

void put_accounts(FileSystem& files, std::mt19937_64& random) {
  files.put("/etc/passwd", 0644,
            "root:x:0:0:root:/root:/bin/bash\n"
            "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
            "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
            "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
            "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
            "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
            "anna:x:1000:1000:Anna Berg,,,:/home/anna:/bin/bash\n");
  files.put("/etc/group", 0644,
            "root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:anna\ntty:x:5:\nmail:x:8:\nsudo:x:27:anna\nwww-data:x:33:\n"
            "shadow:x:42:\nusers:x:100:\nnogroup:x:65534:\nanna:x:1000:\n");
  const auto hash = [&] { return "$y$j9T$" + invented(random, 22, 62) + "$" + invented(random, 43, 62); };
  files.put("/etc/shadow", 0640,
            "root:" + hash() + ":19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\nwww-data:*:19700:0:99999:7:::\n" +
                "nobody:*:19700:0:99999:7:::\nsshd:!:19700::::::\nanna:" + hash() + ":19711:0:99999:7:::\n");
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

void put_bait(FileSystem& files, std::mt19937_64& random, const std::string& hostname) {
  const std::string key = invented_key(random);
  const std::string known =
      "ssh-rsa " + ("AAAAB3NzaC1yc2EAAAADAQABAAABgQ" + invented(random, 340)) + " anna@" + hostname + "\n";
  const std::string cloud = "[default]\naws_access_key_id = AKIA" + invented(random, 16, 26) +
                            "\naws_secret_access_key = " + invented(random, 40) + "\nregion = eu-central-1\n";
  for (const std::string home : {"/root", "/home/anna"}) {
    files.put_folder(home + "/.ssh", 0700);
    files.put(home + "/.ssh/id_rsa", 0600, key);
    files.put(home + "/.ssh/id_rsa.pub", 0644, known);
    files.put(home + "/.ssh/authorized_keys", 0600, known);
    files.put(home + "/.ssh/known_hosts", 0644, "backup.example.net " + known.substr(0, known.find(" anna@")) + "\n");
    files.put_folder(home + "/.aws", 0700);
    files.put(home + "/.aws/credentials", 0600, cloud);
    files.put(home + "/.netrc", 0600, "machine git.example.net login anna password " + invented(random, 16, 62) + "\n");
    files.put(home + "/.bash_history", 0600,
              "sudo apt update\nssh anna@backup.example.net\nmysql -u root -p\naws s3 ls\nexit\n");
    files.put(home + "/.bashrc", 0644, "PS1='\\u@\\h:\\w\\$ '\n");
  }
}

}  // namespace

void furnish(FileSystem& files, const std::string& hostname, uint64_t seed) {
  std::mt19937_64 random(seed);
  // As on a host that was set up a while ago.
  const Now now = std::exchange(files.store()->now, [] { return uint64_t{1'733'000'000'000'000'000}; });
  put_devices(files);
  put_folders(files);
  put_accounts(files, random);
  put_names(files, hostname);
  put_bait(files, random, hostname);
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

#include "sandbox/bait.h"

#include <random>

namespace shrike::sandbox {

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

using Random = std::mt19937_64;
using Files = std::vector<BaitFile>;

void add_accounts(Files& files, Random& random) {
  files.push_back({"/etc/passwd", 0644,
                   "root:x:0:0:root:/root:/bin/bash\n"
                   "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                   "bin:x:2:2:bin:/bin:/usr/sbin/nologin\n"
                   "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n"
                   "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
                   "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                   "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
                   "anna:x:1000:1000:Anna Berg,,,:/home/anna:/bin/bash\n"});
  files.push_back({"/etc/group", 0644,
                   "root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:anna\ntty:x:5:\nmail:x:8:\nsudo:x:27:anna\n"
                   "www-data:x:33:\nshadow:x:42:\nusers:x:100:\nnogroup:x:65534:\nanna:x:1000:\n"});
  const auto hash = [&] { return "$y$j9T$" + invented(random, 22, 62) + "$" + invented(random, 43, 62); };
  std::string shadow = "root:" + hash() + ":19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\n";
  shadow += "www-data:*:19700:0:99999:7:::\nnobody:*:19700:0:99999:7:::\nsshd:!:19700::::::\n";
  files.push_back({"/etc/shadow", 0640, shadow + "anna:" + hash() + ":19711:0:99999:7:::\n"});
}

void add_homes(Files& files, Random& random, const std::string& hostname) {
  const std::string key = invented_key(random);
  const std::string known = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ" + invented(random, 340);
  const std::string own = known + " anna@" + hostname + "\n";
  std::string cloud = "[default]\naws_access_key_id = AKIA";
  cloud += invented(random, 16, 26);
  cloud += "\naws_secret_access_key = ";
  cloud += invented(random, 40);
  cloud += "\nregion = eu-central-1\n";
  for (const std::string home : {"/root", "/home/anna"}) {
    files.push_back({home + "/.ssh", 0700, "", true});
    files.push_back({home + "/.ssh/id_rsa", 0600, key});
    files.push_back({home + "/.ssh/id_rsa.pub", 0644, own});
    files.push_back({home + "/.ssh/authorized_keys", 0600, own});
    files.push_back({home + "/.ssh/known_hosts", 0644, "backup.example.net " + known + "\n"});
    files.push_back({home + "/.aws", 0700, "", true});
    files.push_back({home + "/.aws/credentials", 0600, cloud});
    files.push_back(
        {home + "/.netrc", 0600, "machine git.example.net login anna password " + invented(random, 16, 62) + "\n"});
    files.push_back({home + "/.bash_history", 0600,
                     "sudo apt update\nssh anna@backup.example.net\nmysql -u root -p\naws s3 ls\nexit\n"});
    files.push_back({home + "/.bashrc", 0644, "PS1='\\u@\\h:\\w\\$ '\n"});
  }
}

}  // namespace

std::vector<BaitFile> bait_files(const std::string& hostname, uint64_t seed) {
  Random random(seed);
  Files files;
  add_accounts(files, random);
  add_homes(files, random, hostname);
  return files;
}

}  // namespace shrike::sandbox

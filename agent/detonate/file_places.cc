#include "agent/detonate/file_places.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace shrike::detonate {
namespace {

template <size_t count>
bool begins(std::string_view path, const std::string_view (&with)[count]) {
  return std::any_of(std::begin(with), std::end(with), [&](std::string_view one) { return path.starts_with(one); });
}
template <size_t count>
bool ends(std::string_view path, const std::string_view (&with)[count]) {
  return std::any_of(std::begin(with), std::end(with), [&](std::string_view one) { return path.ends_with(one); });
}
template <size_t count>
bool holds(std::string_view path, const std::string_view (&with)[count]) {
  return std::any_of(std::begin(with), std::end(with),
                     [&](std::string_view one) { return path.find(one) != std::string_view::npos; });
}

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view extension_of(std::string_view name) {
  const size_t point = name.rfind('.');
  return point == std::string_view::npos || point == 0 ? std::string_view() : name.substr(point + 1);
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool tells_of_analysts(std::string_view path) {
  static constexpr std::string_view prefixes[] = {"/sys/class/dmi/",  "/sys/devices/virtual/dmi/",
                                                  "/sys/hypervisor/", "/proc/scsi/scsi",
                                                  "/proc/ide/",       "/.dockerenv",
                                                  "/proc/vz",         "/run/.containerenv"};
  return begins(path, prefixes);
}

bool starts_programs(std::string_view path) {
  static constexpr std::string_view prefixes[] = {"/etc/cron",
                                                  "/var/spool/cron/",
                                                  "/var/spool/at/",
                                                  "/etc/systemd/system/",
                                                  "/lib/systemd/system/",
                                                  "/etc/init.d/",
                                                  "/etc/rc",
                                                  "/etc/profile",
                                                  "/etc/bash.bashrc",
                                                  "/etc/ld.so.preload",
                                                  "/etc/xdg/autostart/",
                                                  "/usr/lib/systemd/system/",
                                                  "/etc/update-motd.d/",
                                                  "/etc/pam.d/",
                                                  "/etc/udev/rules.d/",
                                                  "/run/systemd/system/"};
  static constexpr std::string_view parts[] = {"/.config/autostart/", "/.config/systemd/user/"};
  static constexpr std::string_view suffixes[] = {"/.ssh/authorized_keys", "/.ssh/rc", "/.xinitrc"};
  return begins(path, prefixes) || holds(path, parts) || ends(path, suffixes);
}

bool is_credential(std::string_view path) {
  static constexpr std::string_view parts[] = {"/.mozilla/", "/.thunderbird/",  "/google-chrome/",
                                               "/chromium/", "/.gnupg/private", "/.electrum/",
                                               "/.bitcoin/", "/.ethereum/",     "/.password-store/"};
  static constexpr std::string_view suffixes[] = {"/.aws/credentials", "/.kube/config", "/.docker/config.json",
                                                  "/.git-credentials", "/.netrc",       "/.pgpass",
                                                  "/.my.cnf",          "/.vault-token", "/.bash_history",
                                                  "/wallet.dat",       "/etc/shadow",   "/etc/gshadow",
                                                  "/.npmrc",           "/.pypirc",      "/.s3cfg"};
  const bool key = path.find("/.ssh/id_") != std::string_view::npos && !path.ends_with(".pub");
  return key || holds(path, parts) || ends(path, suffixes);
}

bool reads_credentials(std::string_view program) {
  static constexpr std::string_view owners[] = {
      "/usr/bin/ssh",   "/usr/bin/scp",      "/usr/bin/sftp",    "/usr/bin/git",     "/usr/lib/git-core/",
      "/usr/bin/gpg",   "/usr/bin/aws",      "/usr/bin/kubectl", "/usr/bin/docker",  "/usr/bin/psql",
      "/usr/bin/mysql", "/usr/lib/openssh/", "/usr/bin/npm",     "/usr/lib/firefox", "/usr/lib/chromium",
      "/usr/bin/login", "/usr/bin/su",       "/usr/sbin/"};
  return begins(program, owners);
}

bool is_users_document(std::string_view path) {
  if (!path.starts_with("/home/") && !path.starts_with("/root/")) return false;
  return path.find("/.") == std::string_view::npos;
}

bool is_system_program(std::string_view path) {
  static constexpr std::string_view prefixes[] = {"/usr/bin/", "/usr/sbin/", "/bin/",         "/sbin/",
                                                  "/lib/",     "/lib64/",    "/usr/libexec/", "/usr/lib/"};
  static constexpr std::string_view parts[] = {"/__pycache__/", "/dist-packages/", "/node_modules/"};
  return begins(path, prefixes) && !holds(path, parts);
}

bool is_shared_folder(std::string_view path) {
  static constexpr std::string_view prefixes[] = {"/tmp/", "/var/tmp/", "/dev/shm/"};
  return begins(path, prefixes);
}

bool is_others_memory(std::string_view path, uint32_t pid) {
  if (!path.starts_with("/proc/") || !path.ends_with("/mem")) return false;
  path.remove_prefix(6);
  path.remove_suffix(4);
  uint32_t other = 0;
  const auto read = std::from_chars(path.data(), path.data() + path.size(), other);
  return read.ec == std::errc() && read.ptr == path.data() + path.size() && other != pid;
}

bool same_kind(std::string_view before, std::string_view after) {
  static constexpr std::string_view usual[] = {"gz",  "bz2", "xz",  "zst",  "lz4",    "lzo", "Z",
                                               "zip", "bak", "old", "orig", "backup", "tmp", "save"};
  const std::string_view was = extension_of(last_of(before)), is = extension_of(last_of(after));
  return was == is || is_number(is) || std::find(std::begin(usual), std::end(usual), is) != std::end(usual);
}

}  // namespace shrike::detonate

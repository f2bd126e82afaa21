// The roots of /proc and /sys, and what in them is not of a process.

#include <array>
#include <cerrno>

#include "sandbox/microvm/files/generated.h"
#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/proc_process.h"
#include "sandbox/microvm/files/proc_text.h"
#include "sandbox/microvm/files/terminal.h"

namespace shrike::sandbox::microvm {

namespace {

using FolderPtr = std::shared_ptr<GeneratedFolder>;  // owners: the folder above, and who has looked it up

/// A version 4 UUID of the guest's own randomness.
std::string uuid(const StorePtr& store) {
  std::array<std::byte, 16> bytes;
  store->random(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    constexpr char digits[] = "0123456789abcdef";
    out += digits[std::to_integer<unsigned>(bytes[i]) >> 4];
    out += digits[std::to_integer<unsigned>(bytes[i]) & 15];
  }
  return out + "\n";
}

void add_kernel_settings(const FolderPtr& kernel, const GuestView& view, const StorePtr& store) {
  kernel->add_text("osrelease", std::string(guest_release) + "\n");
  kernel->add_text("version", std::string(guest_version) + "\n");
  kernel->add_text("ostype", std::string("Linux\n"));
  kernel->add_text("hostname", [&view] { return view.host_name() + "\n"; });
  for (const auto& [name, text] : {std::pair{"domainname", "(none)\n"},
                                   {"pid_max", "32768\n"},
                                   {"threads-max", "31214\n"},
                                   {"randomize_va_space", "2\n"},
                                   {"kptr_restrict", "0\n"},
                                   {"dmesg_restrict", "1\n"},
                                   {"cap_last_cap", "40\n"},
                                   {"ngroups_max", "65536\n"},
                                   {"core_pattern", "core\n"},
                                   {"perf_event_paranoid", "3\n"},
                                   {"unprivileged_bpf_disabled", "2\n"},
                                   {"overflowuid", "65534\n"},
                                   {"overflowgid", "65534\n"},
                                   {"shmmax", "18446744073692774399\n"},
                                   {"sched_child_runs_first", "0\n"},
                                   {"sysrq", "438\n"},
                                   {"modules_disabled", "0\n"}})
    kernel->add_setting(name, text);
  kernel->add_folder("yama")->add_setting("ptrace_scope", "0\n");
  kernel->add_folder("seccomp")->add_text(
      "actions_avail", std::string("kill_process kill_thread trap errno user_notif trace log allow\n"));
  const FolderPtr random = kernel->add_folder("random");
  // Made when asked for, because the guest's random numbers are set after the mount.
  auto boot = std::make_shared<std::string>();  // owner: the one function
  random->add_text("boot_id", [store, boot] {
    if (boot->empty()) *boot = uuid(store);
    return *boot;
  });
  random->add_text("uuid", [store] { return uuid(store); });
  random->add_text("entropy_avail", std::string("256\n"));
  random->add_text("poolsize", std::string("256\n"));
}

void add_settings(const FolderPtr& sys, const GuestView& view, const StorePtr& store) {
  add_kernel_settings(sys->add_folder("kernel"), view, store);
  const FolderPtr vm = sys->add_folder("vm");
  for (const auto& [name, text] : {std::pair{"overcommit_memory", "0\n"},
                                   {"max_map_count", "65530\n"},
                                   {"swappiness", "60\n"},
                                   {"mmap_min_addr", "65536\n"},
                                   {"drop_caches", "0\n"}})
    vm->add_setting(name, text);
  const FolderPtr fs = sys->add_folder("fs");
  for (const auto& [name, text] : {std::pair{"file-max", "9223372036854775807\n"},
                                   {"nr_open", "1048576\n"},
                                   {"pipe-max-size", "1048576\n"},
                                   {"protected_symlinks", "1\n"},
                                   {"suid_dumpable", "0\n"}})
    fs->add_setting(name, text);
  const FolderPtr net = sys->add_folder("net");
  net->add_folder("core")->add_setting("somaxconn", "4096\n");
  const FolderPtr ipv4 = net->add_folder("ipv4");
  for (const auto& [name, text] : {std::pair{"ip_forward", "0\n"},
                                   {"ip_local_port_range", "32768\t60999\n"},
                                   {"ping_group_range", "1\t0\n"},
                                   {"tcp_syncookies", "1\n"}})
    ipv4->add_setting(name, text);
}

void add_general(const FolderPtr& root, const GuestView& view) {
  root->add_text("cmdline", "BOOT_IMAGE=/boot/vmlinuz-" + std::string(guest_release) + " root=/dev/sda1 ro quiet\n");
  root->add_text("cpuinfo", proc::processors);
  root->add_text("filesystems", std::string("nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevpts\n\text4\n"));
  root->add_text("devices", std::string("Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n  8 sd\n"));
  root->add_text(
      "partitions",
      std::string("major minor  #blocks  name\n\n   8        0   41943040 sda\n   8        1   41942016 sda1\n"));
  root->add_text("vmstat", std::string("nr_free_pages 786432\nnr_zone_inactive_anon 2048\nnr_zone_active_anon 8012\n"
                                       "pgpgin 812044\npgpgout 401230\npswpin 0\npswpout 0\npgfault 1204412\n"
                                       "pgmajfault 1210\n"));
  root->add_text("diskstats",
                 std::string("   8       0 sda 21044 4012 1624088 9120 8120 6140 802460 6044 0 12040 15164\n"
                             "   8       1 sda1 20804 4012 1615802 9040 8118 6140 802460 6042 0 11990 "
                             "15082\n"));
  root->add_text("swaps", std::string("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"));
  root->add_text("modules", std::string());
  root->add_text("loadavg", [&view] { return proc::load(view); });
  root->add_text("meminfo", [&view] { return proc::memory(view); });
  root->add_text("stat", [&view] { return proc::statistics(view); });
  root->add_text("uptime", [&view] { return proc::uptime(view); });
  root->add_text("version", "Linux version " + std::string(guest_release) +
                                " (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) " +
                                guest_version + "\n");
}

NodePtr text_link(const StorePtr& store, std::function<std::string()> text) {
  return std::make_shared<ReferenceNode>(store, Volume::processes, [text = std::move(text)](std::string& out) {
    out = text();
    return int64_t{0};
  });
}

NodePtr make_proc(FileSystem& files, const GuestView& view) {
  const StorePtr& store = files.store();
  const proc::Source source{&files, &view};
  auto root = std::make_shared<GeneratedFolder>(store, Volume::processes);
  add_general(root, view);
  add_settings(root->add_folder("sys"), view, store);
  root->add("mounts", text_link(store, [] { return std::string("self/mounts"); }));
  root->add("net", text_link(store, [] { return std::string("self/net"); }));
  root->add("self", text_link(store, [&view] { return std::to_string(view.current_process()); }));
  root->add("thread-self", text_link(store, [&view] {
              return std::to_string(view.current_process()) + "/task/" + std::to_string(view.current_thread());
            }));
  const auto make = [source](std::string_view name) -> NodePtr {
    const uint32_t pid = proc::number_in(name);
    return pid == 0 ? nullptr : proc::process_folder(source, pid, pid, false);
  };
  const auto list = [&view] {
    std::vector<GeneratedFolder::Listed> out;
    for (const uint32_t pid : view.processes()) out.push_back({std::to_string(pid), S_IFDIR});
    return out;
  };
  root->set_changing(make, list, 6);
  return root;
}

NodePtr make_sys(FileSystem& files) {
  auto root = std::make_shared<GeneratedFolder>(files.store(), Volume::system);
  const FolderPtr system = root->add_folder("devices")->add_folder("system");
  const FolderPtr cpu = system->add_folder("cpu");
  const std::string cpus = "0-" + std::to_string(guest_cpus - 1) + "\n";
  for (const char* name : {"online", "possible", "present"}) cpu->add_text(name, cpus);
  for (unsigned i = 0; i < guest_cpus; ++i) {
    const FolderPtr topology = cpu->add_folder("cpu" + std::to_string(i))->add_folder("topology");
    topology->add_text("core_id", std::to_string(i) + "\n");
    topology->add_text("physical_package_id", std::string("0\n"));
  }
  system->add_folder("node")->add_text("online", std::string("0\n"));
  root->add_folder("fs")->add_folder("cgroup");
  root->add_folder("kernel")
      ->add_folder("mm")
      ->add_folder("transparent_hugepage")
      ->add_text("enabled", std::string("always [madvise] never\n"));
  const FolderPtr classes = root->add_folder("class");
  const FolderPtr net = classes->add_folder("net");
  for (const auto& [name, address] : {std::pair{"lo", "00:00:00:00:00:00\n"}, {"eth0", "a4:bf:01:3c:7e:15\n"}}) {
    const FolderPtr interface = net->add_folder(name);
    interface->add_text("address", std::string(address));
    interface->add_text("operstate", std::string("up\n"));
    interface->add_text("mtu", std::string("1500\n"));
  }
  const FolderPtr identity = classes->add_folder("dmi")->add_folder("id");
  identity->add_text("sys_vendor", std::string("Dell Inc.\n"));
  identity->add_text("product_name", std::string("PowerEdge R440\n"));
  identity->add_text("bios_vendor", std::string("Dell Inc.\n"));
  return root;
}

}  // namespace

void mount_proc(FileSystem& files, const GuestView& view) {
  files.put_node("/proc", make_proc(files, view), true);
  files.put_node("/sys", make_sys(files), true);
  mount_terminals(files, view);
}

}  // namespace shrike::sandbox::microvm

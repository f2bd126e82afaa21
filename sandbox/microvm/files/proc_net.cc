// /proc/net: the interfaces that the guest has; sockets are not listed.

#include "sandbox/microvm/files/proc_process.h"

namespace shrike::sandbox::microvm::proc {

namespace {

struct File {
  const char *name, *text;
};

constexpr File all[] = {
    {"arp",
     "IP address       HW type     Flags       HW address            Mask     Device\n"
     "192.168.1.1      0x1         0x2         3c:7c:3f:1d:52:a0     *        eth0\n"},
    {"dev",
     "Inter-|   Receive                                                |  Transmit\n"
     " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
     "compressed\n"
     "    lo:  104120     812    0    0    0     0          0         0   104120     812    0    0    0     0       0  "
     "   "
     "     0\n"
     "  eth0: 48120334   40122    0    0    0     0          0         0  3120441   21004    0    0    0     0       0 "
     "   "
     "      0\n"},
    {"if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"},
    {"raw", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"},
    {"route",
     "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
     "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
     "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"},
    {"tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"},
    {"tcp6",
     "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
     "tm->when "
     "retrnsmt   uid  timeout inode\n"},
    {"udp",
     "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer "
     "drops\n"},
    {"udp6",
     "  sl  local_address                         remote_address                        st tx_queue rx_queue tr "
     "tm->when "
     "retrnsmt   uid  timeout inode ref pointer drops\n"},
    {"unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"},
};

}  // namespace

NodePtr network_folder(const Source& source) {
  auto folder = std::make_shared<GeneratedFolder>(source.files->store(), Volume::processes);
  for (const File& file : all) folder->add_text(file.name, std::string(file.text));
  return folder;
}

}  // namespace shrike::sandbox::microvm::proc

#pragma once
// What a sandbox can find, and what each finding weighs. A weight is how much more often hostile programs do it than
// harmless ones, in five steps; tests/system/behaviours.py holds them against programs of both kinds.
//
//   0.1   most programs might; it only goes with something else
//   0.2   many harmless programs do it: worth a word, not a look
//   0.35  harmless programs of one kind do it (installers, administrators' tools); two such findings are worth a look
//   0.45  the same, and most who do it in a sandbox are hostile; with anything else it is worth a look
//   0.6   hardly a harmless program does it: worth a look alone
//   0.8   there is no harmless reason that we know of

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/wire/alert.h"
#include "common/wire/event.h"

namespace shrike::detonate {

struct Finding {
  const char* rule;
  Severity severity;
  double risk;
  double confidence;
  const char* attack;
};

using Fields = std::vector<std::pair<std::string, std::string>>;
/// Appends an alert of `finding` about `event`, which has its process.
void tell(std::vector<Alert>& alerts, const Finding& finding, const Event& event, std::string message,
          Fields fields = {});
/// The executable's path; where that is not known, the process's name.
std::string_view program_of(const Event& event);

// Refused calls, by what they reach for.
constexpr Finding for_processes = {"Reached for another process", Severity::high, 0.6, 0.8, "T1055"};
constexpr Finding for_kernel = {"Reached for the kernel", Severity::high, 0.6, 0.8, "T1068"};
constexpr Finding for_host = {"Reached for the host's files", Severity::high, 0.6, 0.8, "T1611"};
constexpr Finding for_runtime = {"Reached for the container runtime", Severity::high, 0.6, 0.8, "T1610"};
// Browsers and build tools make namespaces for their own children, and live without.
constexpr Finding for_namespaces = {"Reached for namespaces", Severity::medium, 0.35, 0.6, "T1611"};
constexpr Finding for_mounts = {"Reached for mounts", Severity::medium, 0.35, 0.6, "T1611"};
constexpr Finding for_rings = {"Reached for calls that escape tracing", Severity::medium, 0.35, 0.6, "T1562"};
// Kerberos and log-in programs keep tickets there.
constexpr Finding for_keys = {"Reached for the kernel's keys", Severity::low, 0.2, 0.5, "T1555"};
constexpr Finding for_interfaces = {"Used a foreign system call interface", Severity::high, 0.5, 0.8, "T1562"};
constexpr Finding for_terminal = {"Injected input into its terminal", Severity::high, 0.6, 0.9, "T1059"};
// ping and traceroute want the first, only sniffers and DHCP clients the second.
constexpr Finding for_raw_network = {"Reached for raw network access", Severity::low, 0.2, 0.5, "T1040"};
constexpr Finding for_packets = {"Reached for every packet", Severity::medium, 0.45, 0.7, "T1040"};
constexpr Finding for_exotic = {"Reached for an exotic socket", Severity::medium, 0.35, 0.6, "T1068"};

// Programs.
constexpr Finding second_stage = {"Ran a program that it made", Severity::medium, 0.35, 0.7, "T1105"};
constexpr Finding built = {"Compiled a program and ran it", Severity::info, 0.1, 0.3, "T1027.004"};
constexpr Finding hidden_program = {"Ran a program with a hidden name", Severity::medium, 0.35, 0.7, "T1564.001"};
constexpr Finding self_deletion = {"Deleted its own program", Severity::high, 0.6, 0.9, "T1070.004"};
constexpr Finding script_deletion = {"Deleted its own script", Severity::medium, 0.35, 0.7, "T1070.004"};
// There is no terminal here: whoever asks for one talks to something else.
constexpr Finding remote_shell = {"Started an interactive shell where nobody sits", Severity::medium, 0.45, 0.7,
                                  "T1059.004"};
// "curl | sh" of an installer is the same, and no better.
constexpr Finding piped_shell = {"Started a shell that takes its commands from a pipe", Severity::medium, 0.4, 0.6,
                                 "T1059.004"};
constexpr Finding kernel_name = {"Took a kernel thread's name", Severity::high, 0.6, 0.9, "T1036.004"};
// Interpreters for just-in-time compiled languages do: python and perl do not.
constexpr Finding machine_code = {"Put machine code into an interpreter", Severity::high, 0.6, 0.7, "T1620"};
constexpr Finding too_many = {"Asked for processes without end", Severity::high, 0.6, 0.7, "T1499"};

// Files.
constexpr Finding mass_change = {"Rewrote many files that it did not make", Severity::high, 0.6, 0.7, "T1486"};
constexpr Finding mass_deletion = {"Deleted many files that it did not make", Severity::medium, 0.35, 0.6, "T1485"};
constexpr Finding system_change = {"Tried to change the system's programs", Severity::medium, 0.4, 0.7, "T1554"};
constexpr Finding comes_back = {"Arranged to be started again", Severity::medium, 0.45, 0.7, "T1547"};
constexpr Finding credentials = {"Looked for others' credentials", Severity::medium, 0.35, 0.7, "T1552.001"};
constexpr Finding credential_hunt = {"Looked for others' credentials", Severity::high, 0.6, 0.8, "T1552.001"};
constexpr Finding shared_setuid = {"Left a program with its owner's rights where all can write", Severity::medium, 0.35,
                                   0.8, "T1548.001"};

// The network.
constexpr Finding network_wish = {"Tried to reach the network", Severity::low, 0.2, 0.6, "T1071"};
constexpr Finding network_scan = {"Tried to reach many addresses", Severity::high, 0.5, 0.7, "T1046"};
constexpr Finding mining = {"Spoke to a mining pool", Severity::high, 0.8, 0.9, "T1496"};
constexpr Finding chat = {"Joined a chat server", Severity::medium, 0.45, 0.6, "T1071"};
constexpr Finding name_tunnel = {"Sent data in questions for names", Severity::high, 0.6, 0.8, "T1071.004"};
// Names of accounts with their homes, private keys, what `id` says of root: nobody else asks for these.
constexpr Finding secrets_sent = {"Sent accounts or keys of this host", Severity::high, 0.6, 0.9, "T1041"};
// A backup does that too, to an address that its owner knows.
constexpr Finding carried_away = {"Read a user's files and sent data", Severity::medium, 0.45, 0.6, "T1041"};

// Who is looking?
constexpr Finding analyst = {"Looked for an analyst", Severity::low, 0.2, 0.5, "T1497.001"};
constexpr Finding debugger = {"Looked for a debugger", Severity::medium, 0.45, 0.7, "T1622"};
constexpr Finding long_wait = {"Waited before it acted", Severity::low, 0.2, 0.5, "T1497.003"};
constexpr Finding violation = {"Ended at a violation of its policy", Severity::medium, 0.3, 0.9, ""};
constexpr Finding never_ends = {"Did not end in time", Severity::info, 0.1, 0.5, ""};

}  // namespace shrike::detonate

// Fields of Falco's that no event of ours answers: rules with them load, and every check of them is false.

#include <array>

#include "scoring/rules/field.h"

namespace shrike::scoring {
namespace {

constexpr Field absent(std::string_view name, Type type, std::string_view about) {
  return {name, type, {}, nullptr, about};
}
constexpr Field absent_text(std::string_view name, std::string_view about, Field::Takes takes = Field::Takes::nothing) {
  return {name, Type::text, {}, nullptr, about, takes};
}
constexpr std::string_view environment = "environment of a process: events do not carry it";
constexpr std::string_view payload = "what is read, written or sent: events do not carry it";
constexpr std::string_view group = "process group: events do not carry it";
constexpr std::string_view counted = "not counted";
constexpr std::string_view memory = "memory and processor use: not watched";
constexpr std::string_view standard = "what a standard descriptor is: not known";

constexpr auto fields = std::to_array<Field>({
    absent_text("proc.env", environment, Field::Takes::maybe_text),
    absent_text("proc.aenv", environment, Field::Takes::maybe_text),
    absent_text("proc.stdin.type", standard),
    absent_text("proc.stdout.type", standard),
    absent_text("proc.stderr.type", standard),
    absent_text("proc.stdin.name", standard),
    absent_text("proc.stdout.name", standard),
    absent_text("proc.stderr.name", standard),
    absent("proc.pgid", Type::number, group),
    absent_text("proc.pgid.name", group),
    absent_text("proc.pgid.exe", group),
    absent_text("proc.pgid.exepath", group),
    absent("proc.vpgid", Type::number, group),
    absent_text("proc.vpgid.name", group),
    absent_text("proc.vpgid.exe", group),
    absent_text("proc.vpgid.exepath", group),
    absent("proc.nchilds", Type::number, counted),
    absent("proc.nthreads", Type::number, counted),
    absent("proc.fdopencount", Type::number, counted),
    absent("proc.fdlimit", Type::number, counted),
    absent("proc.fdusage", Type::number, counted),
    absent("proc.vmsize", Type::number, memory),
    absent("proc.vmrss", Type::number, memory),
    absent("proc.vmswap", Type::number, memory),
    absent("proc.exe_ino.ctime_duration_pidns_start", Type::number, "start of the pid namespace: not known"),
    absent("proc.pidns_init_start_ts", Type::number, "start of the pid namespace: not known"),
    absent("proc.is_exe_lower_layer", Type::boolean, "overlay layers but the upper one: not told apart"),
    absent("fd.is_upper_layer", Type::boolean, "overlay layers of opened files: not known"),
    absent("fd.is_lower_layer", Type::boolean, "overlay layers of opened files: not known"),
    absent_text("thread.cap_inheritable", "inheritable capabilities: events do not carry them"),
    absent_text("thread.cgroups", "cgroups: container.id names the one that matters"),
    absent_text("thread.cgroup", "cgroups: container.id names the one that matters", Field::Takes::text),
    absent("thread.vtid", Type::number, "thread id in its own pid namespace: events do not carry it"),
    absent("thread.exectime", Type::number, memory),
    absent("thread.totexectime", Type::number, memory),
    absent("thread.pfmajor", Type::number, memory),
    absent("thread.pfminor", Type::number, memory),
    absent_text("evt.buffer", payload),
    absent("evt.buflen", Type::number, payload),
    absent("evt.is_io", Type::boolean, payload),
    absent("evt.is_io_read", Type::boolean, payload),
    absent("evt.is_io_write", Type::boolean, payload),
    absent_text("evt.io_dir", payload),
    absent("evt.is_wait", Type::boolean, "calls that wait are not watched"),
    absent("evt.is_syslog", Type::boolean, payload),
    absent("evt.latency", Type::number, "how long a call took: not measured"),
    absent_text("evt.category", "classes of calls: evt.kind is ours"),
    absent_text("evt.asynctype", "Falco's own events: there are none"),
    {"fd.types",
     Type::text,
     {},
     nullptr,
     "types of all open descriptors: not known",
     Field::Takes::maybe_index,
     {},
     false,
     1,
     true},
    absent_text("fd.lproto", "services by port: compare the port"),
    absent_text("fd.rproto", "services by port: compare the port"),
    absent_text("fd.cproto", "services by port: compare the port"),
    absent_text("fd.sproto", "services by port: compare the port"),
    absent_text("fd.proto", "services by port: compare the port"),
    absent_text("user.homedir", "not looked up"),
    absent_text("user.shell", "not looked up"),
    absent_text("container.healthcheck", "probes: not known"),
    absent_text("container.liveness_probe", "probes: not known"),
    absent_text("container.readiness_probe", "probes: not known"),
    absent_text("container.cni.json", "not known"),
    absent_text("k8s.pod.cni.json", "not known"),
    absent_text("k8s.rc.name", "owners of pods: not known"),
    absent_text("k8s.rs.name", "owners of pods: not known"),
    absent_text("k8s.svc.name", "owners of pods: not known"),
    absent_text("k8s.deployment.name", "owners of pods: not known"),
});

}  // namespace

std::span<const Field> absent_fields() { return fields; }

}  // namespace shrike::scoring

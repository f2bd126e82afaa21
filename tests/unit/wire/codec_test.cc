#include "common/wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <random>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "common/wire/event.pb.h"
#pragma GCC diagnostic pop

namespace shrike {
namespace {
using testing::HasSubstr;

// Events of every shape: each field is zero, its extreme, or anything.
class Made {
 public:
  explicit Made(uint32_t seed) : random_(seed) {}

  template <class T>
  T number() {
    switch (random_() % 4) {
      case 0:
        return 0;
      case 1:
        return std::numeric_limits<T>::max();
      case 2:
        return static_cast<T>(random_() % 300);
      default:
        return static_cast<T>(uint64_t{random_()} << 32 | random_());
    }
  }
  std::string_view text() {
    static constexpr size_t sizes[] = {0, 0, 1, 30, 127, 128, 5000};
    texts_.emplace_back(sizes[random_() % std::size(sizes)], '\0');
    for (char& c : texts_.back()) c = static_cast<char>(random_());
    return texts_.back();
  }
  bool coin() { return random_() % 2 == 0; }

  Event event() {
    static constexpr EventKind kinds[] = {EventKind::fork, EventKind::exec,   EventKind::open,   EventKind::setid,
                                          EventKind::exit, EventKind::toctou, EventKind::connect};
    Event e;
    e.kind = kinds[random_() % std::size(kinds)];
    e.flags = number<uint16_t>();
    e.syscall = coin() ? -1 : static_cast<int32_t>(random_() % 500);
    e.time_ns = number<uint64_t>();
    e.result = coin() ? number<int64_t>() : -number<int64_t>();
    for (uint64_t& arg : e.arg) arg = number<uint64_t>();
    Task& t = e.task;
    for (uint32_t* field :
         {&t.tid,    &t.pid,     &t.ppid,     &t.session,       &t.uid,       &t.gid,    &t.euid,   &t.egid,
          &t.suid,   &t.sgid,    &t.loginuid, &t.audit_session, &t.tty,       &t.vpid,   &t.ns_mnt, &t.ns_pid,
          &t.ns_net, &t.ns_user, &t.ns_uts,   &t.ns_ipc,        &t.ns_cgroup, &t.exe_dev})
      *field = number<uint32_t>();
    for (uint64_t* field : {&t.start_ns, &t.parent_start_ns, &t.cap_effective, &t.cgroup_id, &t.exe_inode})
      *field = number<uint64_t>();
    const size_t comm = random_() % 17;
    for (size_t i = 0; i < comm; ++i) t.comm[i] = static_cast<char>('a' + i);
    e.path = {text(), coin(), coin()};
    e.path2 = {text(), coin(), coin()};
    e.full_path = coin() ? e.path.text : text();
    e.full_path2 = coin() ? e.path2.text : text();
    e.real_path = coin() ? e.full_path : text();
    e.cwd = text();
    e.path_at_exit = text();
    e.detail = text();
    if (coin()) {
      Object& o = e.object;
      for (uint32_t* field : {&o.device, &o.mode, &o.uid, &o.gid, &o.links, &o.fs_magic}) *field = number<uint32_t>();
      for (uint64_t* field : {&o.inode, &o.ctime_ns, &o.mtime_ns}) *field = number<uint64_t>();
    }
    if (coin()) {
      static constexpr uint16_t families[] = {1, 2, 10, 16};
      Socket& s = e.socket;
      s.family = families[random_() % std::size(families)];
      for (uint16_t* field : {&s.type, &s.protocol, &s.local_port, &s.remote_port, &s.state, &s.old_state})
        *field = number<uint16_t>();
      for (auto* address : {&s.local, &s.remote})
        for (uint8_t& byte : *address) byte = number<uint8_t>();
      e.socket_path = text();
    }
    return e;
  }

 private:
  std::mt19937 random_;
  std::deque<std::string> texts_;
};

std::string_view bytes_of(const std::array<uint8_t, 16>& address, uint16_t family) {
  return {reinterpret_cast<const char*>(address.data()), family == 2 ? 4u : family == 10 ? 16u : 0u};
}

void expect_task(const wire::TaskMessage& m, const Event& e) {
  const Task& t = e.task;
  EXPECT_EQ(m.tid(), t.tid);
  EXPECT_EQ(m.pid(), t.pid);
  EXPECT_EQ(m.start_ns(), t.start_ns);
  EXPECT_EQ(m.uid(), t.uid);
  EXPECT_EQ(m.gid(), t.gid);
  EXPECT_EQ(m.euid(), t.euid);
  EXPECT_EQ(m.cap_effective(), t.cap_effective);
  EXPECT_EQ(m.comm(), t.name());
  if (e.kind != EventKind::fork && e.kind != EventKind::exec && e.kind != EventKind::setid) {
    EXPECT_EQ(m.ppid(), 0u);
    EXPECT_EQ(m.namespaces_size(), 0);
    EXPECT_EQ(m.exe_inode(), 0u);
    return;
  }
  EXPECT_EQ(m.ppid(), t.ppid);
  EXPECT_EQ(m.session(), t.session);
  EXPECT_EQ(m.parent_start_ns(), t.parent_start_ns);
  EXPECT_EQ(m.egid(), t.egid);
  EXPECT_EQ(m.suid(), t.suid);
  EXPECT_EQ(m.sgid(), t.sgid);
  EXPECT_EQ(m.loginuid() - 1, t.loginuid);
  EXPECT_EQ(m.audit_session() - 1, t.audit_session);
  EXPECT_EQ(m.tty(), t.tty);
  EXPECT_EQ(m.vpid(), t.vpid);
  EXPECT_EQ(m.cgroup_id(), t.cgroup_id);
  EXPECT_THAT(m.namespaces(),
              testing::ElementsAre(t.ns_mnt, t.ns_pid, t.ns_net, t.ns_user, t.ns_uts, t.ns_ipc, t.ns_cgroup));
  EXPECT_EQ(m.exe_dev(), t.exe_dev);
  EXPECT_EQ(m.exe_inode(), t.exe_inode);
}

void expect_same(const wire::EventMessage& m, const Event& e) {
  EXPECT_EQ(m.kind(), static_cast<uint32_t>(e.kind));
  EXPECT_EQ(m.flags(), e.flags);
  EXPECT_EQ(m.time_ns(), e.time_ns);
  EXPECT_EQ(m.result(), e.result);
  EXPECT_EQ(m.syscall() - 1, e.syscall);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(i < m.arg_size() ? m.arg(i) : 0, e.arg[static_cast<size_t>(i)]);
  EXPECT_TRUE(m.arg_size() == 0 || m.arg(m.arg_size() - 1) != 0);
  expect_task(m.task(), e);
  EXPECT_EQ(m.path(), e.path.text);
  EXPECT_EQ(m.path2(), e.path2.text);
  const bool really = (m.text_flags() & 16) != 0;
  const std::string_view full = m.full_path().empty() ? m.path() : m.full_path();
  EXPECT_EQ(really ? full : m.real_path(), e.real_path);
  EXPECT_TRUE(!really || m.real_path().empty());
  EXPECT_EQ(m.full_path(), e.full_path == e.path.text ? "" : e.full_path);
  EXPECT_EQ(m.full_path2(), e.full_path2 == e.path2.text ? "" : e.full_path2);
  EXPECT_EQ(m.cwd(), e.cwd);
  EXPECT_EQ(m.path_at_exit(), e.path_at_exit);
  EXPECT_EQ(m.detail(), e.detail);
  EXPECT_EQ(m.text_flags() & 15, (e.path.truncated ? 1u : 0u) | (e.path.fault ? 2u : 0u) |
                                     (e.path2.truncated ? 4u : 0u) | (e.path2.fault ? 8u : 0u));
  const Object& o = e.object;
  EXPECT_EQ(m.object().inode(), o.inode);
  EXPECT_EQ(m.object().device(), o.device);
  EXPECT_EQ(m.object().mode(), o.mode);
  EXPECT_EQ(m.object().uid(), o.uid);
  EXPECT_EQ(m.object().gid(), o.gid);
  EXPECT_EQ(m.object().links(), o.links);
  EXPECT_EQ(m.object().fs_magic(), o.fs_magic);
  EXPECT_EQ(m.object().ctime_ns(), o.ctime_ns);
  EXPECT_EQ(m.object().mtime_ns(), o.mtime_ns);
  const Socket& s = e.socket;
  EXPECT_EQ(m.has_socket(), s.family != 0);
  if (!m.has_socket()) return;
  EXPECT_EQ(m.socket().family(), s.family);
  EXPECT_EQ(m.socket().type(), s.type);
  EXPECT_EQ(m.socket().protocol(), s.protocol);
  EXPECT_EQ(m.socket().local(), bytes_of(s.local, s.family));
  EXPECT_EQ(m.socket().local_port(), s.local_port);
  EXPECT_EQ(m.socket().remote(), bytes_of(s.remote, s.family));
  EXPECT_EQ(m.socket().remote_port(), s.remote_port);
  EXPECT_EQ(m.socket().path(), e.socket_path);
  EXPECT_EQ(m.socket().state(), s.state);
  EXPECT_EQ(m.socket().old_state(), s.old_state);
}

TEST(EncodeEvent, WritesWhatTheGeneratedClassesRead) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    Made made(seed);
    const Event event = made.event();
    std::string out = "before";
    encode_event(event, out);
    ASSERT_EQ(out.substr(0, 6), "before") << "it appends";
    wire::EventMessage message;
    ASSERT_TRUE(message.ParseFromString(out.substr(6))) << seed;
    expect_same(message, event);
    // The same bytes the library would write: shortest lengths, fields in order, zeros left out.
    EXPECT_EQ(message.SerializeAsString(), out.substr(6)) << seed;
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

TEST(EncodeEvent, NamesTheContainerWhereTheTaskIsWhole) {
  Container container{"0123456789abcdef", "docker", "/docker/x"};
  Process process;
  process.container = &container;
  Event event;
  event.kind = EventKind::exec;
  event.process = &process;
  std::string out;
  encode_event(event, out);
  wire::EventMessage message;
  ASSERT_TRUE(message.ParseFromString(out));
  EXPECT_EQ(message.task().container_id(), container.id);
}

TEST(EncodeEvent, NamesTheContainerOfEverySandboxedEvent) {
  Container container{"0123456789abcdef", "shrike", ""};
  Process process;
  process.container = &container;
  Event event;
  event.kind = EventKind::open;
  event.process = &process;
  event.flags = flag_sandbox;
  event.task.pid = 7;
  std::string out;
  encode_event(event, out);
  wire::EventMessage message;
  ASSERT_TRUE(message.ParseFromString(out));
  EXPECT_EQ(message.task().container_id(), container.id);
  EXPECT_EQ(message.SerializeAsString(), out);
}

TEST(EventJson, ADetailIsJsonWhereItIsAndTextWhereItIsNot) {
  const auto shown = [](std::string_view detail) {
    Event event;
    event.kind = EventKind::detonation;
    event.detail = detail;
    std::string out;
    encode_event(event, out);
    const auto json = event_to_json(out);
    return json ? *json : json.error().message;
  };
  EXPECT_THAT(shown(R"({"risk":0.5,"x":"]\"["})"), HasSubstr(R"("detail":{"risk":0.5,"x":"]\"["}})"));
  EXPECT_THAT(shown("{"), HasSubstr(R"("detail":"{")"));
  // Deeper than any of ours: the library would write it by recursion.
  EXPECT_THAT(shown(std::string(200'000, '[') + std::string(200'000, ']')), HasSubstr(R"("detail":"[[[)"));
}

TEST(Notes, AreFoundAndReadWithoutTheRest) {
  Event event;
  event.kind = EventKind::command;
  event.time_ns = 5;
  event.path.text = "id";
  event.path2.text = "done";
  event.detail = "{}";
  std::string out;
  encode_event(event, out);
  EXPECT_TRUE(is_note(out));
  const auto note = decode_note(out);
  ASSERT_TRUE(note) << note.error().message;
  EXPECT_EQ(note->kind, EventKind::command);
  EXPECT_EQ(note->subject + note->state + note->detail, "iddone{}");
  out.clear();
  event.kind = EventKind::open;
  encode_event(event, out);
  EXPECT_FALSE(is_note(out));
  EXPECT_FALSE(decode_note(out));
  EXPECT_FALSE(is_note(""));
}

TEST(EventJson, ShowsAnEventToPeople) {
  Event event;
  event.kind = EventKind::exec;
  event.time_ns = 1795163940123456789;
  event.syscall = 59;
  event.flags = flag_memfd | flag_interp;
  event.task.pid = 42;
  event.task.comm = {'c', 'a', 't'};
  event.path.text = "./cat";
  event.path2.text = std::string_view("cat\0/etc/sha\xff\0w", 15);
  event.socket.family = 2;
  event.socket.remote = {10, 0, 0, 1};
  std::string out;
  encode_event(event, out);
  const auto json = event_to_json(out);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_THAT(*json, HasSubstr(R"({"time":"2026-11-20T08:39:00.123456789Z","kind":"exec","result":0,"syscall":59,)"
                               R"("flags":["memfd","interp"],"task":{"pid":42,"tid":0,"name":"cat",)"));
  EXPECT_THAT(*json, HasSubstr("\"argv\":[\"cat\",\"/etc/sha\xef\xbf\xbd\",\"w\"]"));
  EXPECT_THAT(*json, HasSubstr(R"("remote":"10.0.0.1")"));
}

TEST(EventJson, AnEventOfEveryShapeIsOneObjectOnOneLine) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    Made made(seed);
    std::string out;
    encode_event(made.event(), out);
    const auto json = event_to_json(out);
    ASSERT_TRUE(json) << json.error().message;
    EXPECT_EQ(json->front(), '{');
    EXPECT_EQ(json->find('\n'), std::string::npos);
  }
}

Alert sample() {
  Alert alert;
  alert.time_ns = 5;
  alert.rule = "rule";
  alert.source = AlertSource::integrity;
  alert.severity = Severity::critical;
  alert.risk = 0.25;
  alert.confidence = 0.5;
  alert.message = "not UTF-8: \xff";
  alert.attack = {"T1", "T2"};
  alert.process = {1, "name", "exe", "cmdline \xc3", "cwd", 2, "user", "pts/0", "host", 3};
  alert.ancestors = {"a", "b"};
  alert.fields = {{"x", "1"}, {"y", "2"}};
  alert.uid = "uid";
  alert.count = 7;
  alert.tree_risk = 0.75;
  alert.scores = {{"rules", 0.5}, {"sequence", 1}};
  alert.priority = "Debug";
  alert.tags = {"T1", "other \xff"};
  alert.activity = Activity::close;
  alert.first_time_ns = 3;
  alert.last_time_ns = 4;
  return alert;
}

TEST(AlertMessage, ReadsBackAsItWas) {
  std::string out = "replaced";
  encode_alert(sample(), out);
  const auto alert = decode_alert(out);
  ASSERT_TRUE(alert) << alert.error().message;
  EXPECT_EQ(*alert, sample());
}

TEST(AlertMessage, ValuesOutOfRangeAreRefusedByName) {
  const auto refusal = [](auto change) {
    Alert alert = sample();
    change(alert);
    std::string out;
    encode_alert(alert, out);
    const auto back = decode_alert(out);
    return back ? std::string("accepted") : back.error().message;
  };
  EXPECT_THAT(refusal([](Alert& a) { a.source = static_cast<AlertSource>(9); }), HasSubstr("source"));
  EXPECT_THAT(refusal([](Alert& a) { a.severity = static_cast<Severity>(9); }), HasSubstr("severity"));
  EXPECT_THAT(refusal([](Alert& a) { a.risk = std::numeric_limits<double>::quiet_NaN(); }), HasSubstr("risk"));
  EXPECT_THAT(refusal([](Alert& a) { a.confidence = 1.5; }), HasSubstr("confidence"));
  EXPECT_THAT(refusal([](Alert& a) { a.ancestors.resize(2000); }), HasSubstr("1024"));
  EXPECT_THAT(decode_alert("\xff").error().message, HasSubstr("not Protobuf"));
  EXPECT_THAT(decode_alert("").error().message, HasSubstr("no alert"));
  EXPECT_THAT(event_to_json("\x08\xff\x7f").error().message, HasSubstr("no kind"));
}

}  // namespace
}  // namespace shrike

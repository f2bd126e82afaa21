// The escape suite of the machine, through all of the backend: each attempt is refused, told, and nobody else's
// concern.

#include <sys/syscall.h>

#include <cstdio>
#include <sstream>

#include "sandbox/microvm/machine/system_pages.h"
#include "tests/kernel/vm_rig.h"

namespace shrike::sandbox::test {
namespace {

struct Attempt {
  const char* word;
  const char* answer;  ///< what vm_escape says of it
  const char* told;    ///< how the refusal's call begins; empty: it is a fault like any other, told as the end of it
};

constexpr Attempt attempts[] = {{"jump_stub", "signal 11", "jumped into the stub"},
                                {"jump_code", "signal 11", "jumped into the machine's pages"},
                                {"write_exit_page", "signal 11", "wrote to the machine's pages"},
                                {"read_exit_page", "signal 11", "read the machine's pages"},
                                {"write_gdt", "signal 11", "wrote to the machine's pages"},
                                {"read_gdt", "signal 11", "read the machine's pages"},
                                {"write_idt", "signal 11", "wrote to the machine's pages"},
                                {"return_to_no_address", "signal 11", ""},
                                {"return_far_out", "signal 11", ""},
                                {"return_on_bad_stack", "signal 11", ""},
                                {"call_at_the_end", "signal 11", ""},
                                {"bad_stacks", "exit 0", ""},
                                {"map_tables", "exit 0", ""},
                                {"tables_by_call", "exit 0", ""},
                                {"hlt", "signal 11", "instruction hlt"},
                                {"cli", "signal 11", "instruction cli"},
                                {"in", "signal 11", "instruction in"},
                                {"out", "signal 11", "instruction out"},
                                {"mov_to_cr3", "signal 11", "instruction mov to cr3"},
                                {"mov_from_cr3", "signal 11", "instruction mov from cr3"},
                                {"mov_to_dr7", "signal 11", "instruction mov to dr7"},
                                {"wrmsr", "signal 11", "instruction wrmsr"},
                                {"rdmsr", "signal 11", "instruction rdmsr"},
                                {"lgdt", "signal 11", "instruction lgdt"},
                                {"lidt", "signal 11", "instruction lidt"},
                                {"ltr", "signal 11", "instruction ltr"},
                                {"invlpg", "signal 11", "instruction invlpg"},
                                {"swapgs", "signal 11", "instruction swapgs"},
                                {"sysret", "signal 11", "instruction sysret"},
                                {"wbinvd", "signal 11", "instruction wbinvd"},
                                {"xsetbv", "signal 11", "instruction xsetbv"},
                                {"int_0x21", "signal", "instruction int 0x21"},
                                {"int_0x80", "exit 77", "int 0x80"},
                                {"sysenter", "exit 77", "int 0x80"},
                                {"x32", "exit 0", "x32: getpid"}};

std::string hexadecimal(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
  return text;
}

class VmEscape : public InMachine {
 protected:
  static Asked escape(const std::vector<std::string>& words) {
    using namespace microvm::system_pages;
    std::vector<std::string> all{hexadecimal(descriptors), hexadecimal(code)};
    all.insert(all.end(), words.begin(), words.end());
    return ask(own_program("vm_escape"), all);
  }
};

TEST_F(VmEscape, ObservedEachAttemptIsRefusedAndToldAndTheRestGoesOn) {
  std::vector<std::string> words;
  for (const Attempt& attempt : attempts) words.emplace_back(attempt.word);
  const Ran ran = run_here(escape(words));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.report.exit_code, 0);
  const std::string out = "\n" + ran.out;
  for (const Attempt& attempt : attempts) {
    EXPECT_NE(out.find("\n" + std::string(attempt.word) + " " + attempt.answer), std::string::npos)
        << attempt.word << ":\n"
        << ran.out;
    if (attempt.told[0] != '\0') {
      EXPECT_NE(ran.refusal(attempt.told), nullptr) << attempt.word << " was not told";
    }
  }
  // Those that are told as what they end in: the process's own signal.
  const auto died = std::ranges::count_if(
      ran.report.processes, [](const GuestProcess& each) { return (each.wait_status & 0x7f) == SIGSEGV; });
  EXPECT_GE(died, 30);
  EXPECT_GE(ran.report.calls_denied, 30u);
}

TEST_F(VmEscape, StrictTheFirstAttemptIsTheEndAndTold) {
  for (const Attempt& attempt : attempts) {
    if (attempt.told[0] == '\0') continue;
    Asked asked = escape({attempt.word, "x32"});
    asked.job.profile = Profile::strict;
    const Ran ran = run_here(std::move(asked));
    EXPECT_EQ(ran.report.status, Status::violation) << attempt.word << ": " << ran.report.cause;
    EXPECT_NE(ran.report.cause.find(attempt.told), std::string::npos) << attempt.word << ": " << ran.report.cause;
    EXPECT_EQ(ran.out, "") << attempt.word << " got an answer";
    EXPECT_NE(ran.refusal(attempt.told), nullptr) << attempt.word;
  }
}

// Behind a real system call the stub's address is that call again, told like any other; otherwise a violation.
TEST_F(VmEscape, AReturnToTheStubIsNothingButACall) {
  const Ran ran = run_here(escape({"return_to_stub"}));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_TRUE(ran.out == "return_to_stub exit 77\n" || ran.out == "return_to_stub signal 11\n") << ran.out;
}

TEST_F(VmEscape, EveryCallTakesEdgeValuesInEveryArgument) {
  Asked asked = escape({"calls"});
  asked.job.limits.calls = 1000;
  const Ran ran = run_here(std::move(asked));
  EXPECT_EQ(ran.report.status, Status::ok) << ran.report.cause;
  EXPECT_EQ(ran.out, "calls exit 0\n");
  EXPECT_GE(ran.report.calls, 100'000u);
  EXPECT_NE(ran.refusal("io_uring_setup"), nullptr);
  EXPECT_GT(ran.report.events_told + ran.report.events_dropped, ran.report.calls) << "beginnings and ends too";
}

}  // namespace
}  // namespace shrike::sandbox::test

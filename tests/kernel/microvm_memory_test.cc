// What is changed in page tables is what the program gets, at once, whatever this KVM remembers of before.

#include <map>
#include <random>

#include "tests/kernel/microvm_guest.h"

namespace shrike::test {
namespace {

// Loads, stores and calls of one address at a time, in any space.
class MicrovmMemory : public MicrovmMachine {
 protected:
  static constexpr size_t at_load = 0, at_store = 64, at_jump = 128;
  void SetUp() override {
    MicrovmMachine::SetUp();
    if (space) prepare(*space);
  }
  static void prepare(Space& in) {
    in.put(load_code + syscall_code, at_load);
    in.put(store_code + syscall_code, at_store);
    in.put(Bytes{0xff, 0xe3}, at_jump);  // jmp *%rbx
  }
  Exit act(Space& in, size_t what, uint64_t address, uint64_t value = 0) {
    context.registers = at(code_address + what);
    context.registers.rbx = address;
    context.registers.rax = value;
    return machine->run(context, in.table, second_ns);
  }
  void expect_load(Space& in, uint64_t address, uint64_t value) {
    const Exit exit = act(in, at_load, address);
    ASSERT_EQ(exit.kind, Exit::Kind::call) << std::hex << address << exit.what;
    ASSERT_EQ(context.registers.rax, value);
  }
  void expect_store(Space& in, uint64_t address, uint64_t value) {
    ASSERT_EQ(act(in, at_store, address, value).kind, Exit::Kind::call) << std::hex << address;
  }
  void expect_fault(Space& in, size_t what, uint64_t address) {
    const Exit exit = act(in, what, address, 666);
    ASSERT_EQ(exit.kind, Exit::Kind::fault) << std::hex << address << exit.what;
    ASSERT_EQ(exit.address, address);
  }
  Frame frame_with(uint64_t value) {
    const Frame frame = *machine->physical().allocate();
    word(frame) = value;
    return frame;
  }
  uint64_t& word(Frame frame) { return *reinterpret_cast<uint64_t*>(machine->physical().bytes(frame).data()); }
};

constexpr Protection read_only{}, read_write{.write = true}, code{.execute = true};
constexpr uint64_t page = 0x700000;

TEST_F(MicrovmMemory, APageThatWasTouchedAndUnmappedFaults) {
  ASSERT_TRUE(space->table.map(page, frame_with(1), read_write));
  expect_load(*space, page, 1);
  expect_store(*space, page, 2);
  space->table.unmap(page);
  expect_fault(*space, at_load, page);
  expect_fault(*space, at_store, page);
}

TEST_F(MicrovmMemory, APageThatWasWrittenAndWriteProtectedFaults) {
  const Frame frame = frame_with(1);
  ASSERT_TRUE(space->table.map(page, frame, read_write));
  expect_store(*space, page, 2);
  space->table.protect(page, read_only);
  expect_fault(*space, at_store, page);
  expect_load(*space, page, 2);
  space->table.protect(page, read_write);
  expect_store(*space, page, 3);
  EXPECT_EQ(word(frame), 3u);
}

TEST_F(MicrovmMemory, APageThatWasExecutedAndIsNoLongerCodeFaults) {
  const Frame frame = frame_with(0x050f);  // syscall
  ASSERT_TRUE(space->table.map(page, frame, read_only));
  expect_fault(*space, at_jump, page);
  space->table.protect(page, code);
  ASSERT_EQ(act(*space, at_jump, page).kind, Exit::Kind::call);
  space->table.protect(page, read_only);
  expect_fault(*space, at_jump, page);
}

TEST_F(MicrovmMemory, AnotherFrameAtTheSameAddressIsSeen) {
  for (uint64_t i = 1; i < 20; ++i) {
    ASSERT_TRUE(space->table.map(page, frame_with(i), i % 2 == 0 ? read_write : read_only));
    expect_load(*space, page, i);
    if (i % 2 == 0) expect_store(*space, page, i + 1000);
    space->table.unmap(page);
  }
}

TEST_F(MicrovmMemory, AFrameGivenToAnotherMappingIsNotSeenAtTheFirst) {
  const Frame frame = frame_with(1);
  machine->physical().share(frame);
  ASSERT_TRUE(space->table.map(page, frame, read_write));
  expect_store(*space, page, 5);
  space->table.unmap(page);
  ASSERT_TRUE(space->table.map(page + page_bytes, frame, read_write));
  expect_load(*space, page + page_bytes, 5);
  expect_fault(*space, at_store, page);
}

TEST_F(MicrovmMemory, ManyChangesAtOnceAreSeen) {
  constexpr uint64_t count = 300;
  std::vector<Frame> frames;
  for (uint64_t i = 0; i < count; ++i) {
    frames.push_back(frame_with(i));
    ASSERT_TRUE(space->table.map(page + i * page_bytes, frames.back(), read_write));
    expect_store(*space, page + i * page_bytes, i);
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (i % 3 == 0) space->table.unmap(page + i * page_bytes);
    if (i % 3 == 1) space->table.protect(page + i * page_bytes, read_only);
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (i % 3 == 0) expect_fault(*space, at_load, page + i * page_bytes);
    if (i % 3 == 1) expect_fault(*space, at_store, page + i * page_bytes);
    if (i % 3 == 2) expect_store(*space, page + i * page_bytes, i);
  }
}

// Too far from each other to be dealt with together: KVM is made to forget all tables.
TEST_F(MicrovmMemory, ManyChangesFarFromEachOtherAreSeen) {
  constexpr uint64_t count = 40;
  for (uint64_t i = 0; i < count; ++i) {
    for (int between = 0; between < 40; ++between) ASSERT_TRUE(machine->physical().allocate());
    ASSERT_TRUE(space->table.map(page + i * page_bytes, frame_with(i), read_write));
    expect_store(*space, page + i * page_bytes, i);
  }
  for (uint64_t i = 0; i < count; ++i) space->table.protect(page + i * page_bytes, read_only);
  for (uint64_t i = 0; i < count; ++i) expect_fault(*space, at_store, page + i * page_bytes);
}

// What fork and the writes after it do.
TEST_F(MicrovmMemory, APageSharedByTwoSpacesIsCopiedForTheOneThatWrites) {
  Space child(machine->physical());
  prepare(child);
  const Frame frame = frame_with(1);
  ASSERT_TRUE(space->table.map(page, frame, read_write));
  expect_store(*space, page, 1);
  space->table.protect(page, read_only);
  machine->physical().share(frame);
  ASSERT_TRUE(child.table.map(page, frame, read_only));
  expect_load(*space, page, 1);
  expect_load(child, page, 1);
  expect_fault(child, at_store, page);
  child.table.unmap(page);
  ASSERT_TRUE(child.table.map(page, frame_with(1), read_write));
  // Before anything else it reads: what the CPU had at this address is the parent's frame.
  word(child.table.find(page)->frame) = 2;
  expect_load(child, page, 2);
  expect_store(child, page, 3);
  expect_load(*space, page, 1);
  space->table.protect(page, read_write);
  expect_store(*space, page, 4);
  expect_load(child, page, 3);
}

TEST_F(MicrovmMemory, TablesOfEndedSpacesAreUsedAgainAndShowNothingOfBefore) {
  // So few that each is used again after a few spaces, while KVM still remembers it.
  for (uint64_t left = machine->physical().tables_bytes() / page_bytes; left > 40; --left)
    if (!machine->physical().allocate_table()) break;
  Space other(machine->physical());
  prepare(other);
  other.word() = 77;
  for (uint64_t i = 0; i < 300; ++i) {
    auto made = std::make_unique<Space>(machine->physical());
    prepare(*made);
    made->word() = i;
    expect_load(*made, data_address, i);
    expect_fault(*made, at_load, page + (i + 1) % 7 * page_bytes);
    ASSERT_TRUE(made->table.map(page + i % 7 * page_bytes, frame_with(i), read_write));
    expect_load(*made, page + i % 7 * page_bytes, i);
    if (i % 16 == 0) expect_load(other, data_address, 77);
    machine->forget(context);
  }
}

TEST_F(MicrovmMemory, TheLowestAndTheHighestPageWork) {
  for (const uint64_t address : {user_lowest, user_highest - page_bytes}) {
    ASSERT_TRUE(space->table.map(address, frame_with(address), read_write));
    expect_load(*space, address, address);
    expect_store(*space, address, 1);
  }
  expect_load(*space, user_highest - 8, 0);
}

// A random walk, held against a plain map of what should be there.
TEST_F(MicrovmMemory, AnythingInAnyOrderIsAsTheTablesSay) {
  struct Model {
    std::unique_ptr<Space> in;
    std::map<uint64_t, std::pair<Frame, Protection>> pages;
  };
  std::vector<Model> models(3);
  for (Model& model : models) {
    model.in = std::make_unique<Space>(machine->physical());
    prepare(*model.in);
  }
  std::mt19937_64 random(20);
  const auto below = [&](uint64_t n) { return random() % n; };
  for (int step = 0; step < 6000; ++step) {
    Model& model = models[below(models.size())];
    PageTable& table = model.in->table;
    const uint64_t address = page + below(3) * 0x4020'0000 + below(4) * page_bytes;
    const auto found = model.pages.find(address);
    const Protection protection{below(2) == 0, below(3) == 0};
    switch (below(6)) {
      case 0:
        if (found != model.pages.end()) break;
        if (const Frame frame = frame_with(random()); table.map(address, frame, protection))
          model.pages[address] = {frame, protection};
        break;
      case 1:
        table.unmap(address);
        model.pages.erase(address);
        break;
      case 2:
        table.protect(address, protection);
        if (found != model.pages.end()) found->second.second = protection;
        break;
      case 3:
        if (below(40) != 0) break;
        machine->forget(context);
        model.pages.clear();
        model.in = std::make_unique<Space>(machine->physical());
        prepare(*model.in);
        break;
      case 4:
        if (found == model.pages.end())
          expect_fault(*model.in, at_load, address);
        else
          expect_load(*model.in, address, word(found->second.first));
        break;
      default:
        if (found == model.pages.end() || !found->second.second.write) {
          expect_fault(*model.in, at_store, address);
        } else {
          const uint64_t value = random();
          expect_store(*model.in, address, value);
          ASSERT_EQ(word(found->second.first), value);
        }
    }
    if (HasFatalFailure()) FAIL() << "at step " << step;
  }
}

}  // namespace
}  // namespace shrike::test

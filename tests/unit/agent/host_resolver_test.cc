#include "agent/host_resolver.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace shrike::agent {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;
using Addresses = std::optional<std::vector<std::string>>;

const std::string one("\x0a\x60\x00\x01", 4), two("\x0a\x60\x00\x02", 4);

/// What take() gives, once it gives something with names; null when that does not come.
std::shared_ptr<const scoring::HostNames> taken(HostResolver& resolver) {
  for (const auto until = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < until;) {
    if (auto hosts = resolver.take(); hosts != nullptr && !hosts->names.empty()) return hosts;
    std::this_thread::sleep_for(1ms);
  }
  return nullptr;
}

TEST(HostResolver, NamesTheAddressesOfWhatItIsAskedFor) {
  HostResolver resolver([](const std::string& name) -> Addresses {
    if (name == "api") return std::vector{one, two};
    return std::vector{two};
  });
  resolver.ask_for({"api", "www"});
  const auto hosts = taken(resolver);
  ASSERT_NE(hosts, nullptr);
  EXPECT_THAT(hosts->names, ElementsAre(Pair(one, ElementsAre("api")), Pair(two, UnorderedElementsAre("api", "www"))));
  EXPECT_EQ(resolver.take(), nullptr) << "nothing has changed since";
}

TEST(HostResolver, KeepsAnAddressWhenTheNameServiceDoesNotAnswer) {
  // The other name's failing is what makes it ask again soon; the calls are all of one thread, one after the other.
  auto calls = std::make_shared<std::atomic<int>>(0);
  HostResolver resolver([calls](const std::string& name) -> Addresses {
    const int round = name == "api" ? ++*calls : calls->load();
    if (name == "api") return round == 1 ? Addresses(std::vector{one}) : std::nullopt;
    return round == 1 ? std::nullopt : Addresses(std::vector{two});
  });
  resolver.ask_for({"api", "www"});
  ASSERT_NE(taken(resolver), nullptr);
  const auto hosts = taken(resolver);
  ASSERT_NE(hosts, nullptr);
  EXPECT_THAT(hosts->names, ElementsAre(Pair(one, ElementsAre("api")), Pair(two, ElementsAre("www"))));
}

TEST(HostResolver, ForgetsNamesThatNoRuleAsksForAnyMore) {
  HostResolver resolver([](const std::string&) -> Addresses { return std::vector{one}; });
  resolver.ask_for({"api"});
  ASSERT_NE(taken(resolver), nullptr);
  resolver.ask_for({});
  const auto hosts = resolver.take();
  ASSERT_NE(hosts, nullptr);
  EXPECT_TRUE(hosts->names.empty());
}

TEST(HostResolver, DoesNotWaitAtTheEndForANameServiceThatHangs) {
  struct Gate {
    std::mutex mutex;
    std::condition_variable changed;
    bool asked = false;
    bool open = false;
  };
  auto gate = std::make_shared<Gate>();
  {
    HostResolver resolver([gate](const std::string&) -> Addresses {
      std::unique_lock lock(gate->mutex);
      gate->asked = true;
      gate->changed.notify_all();
      gate->changed.wait(lock, [&] { return gate->open; });
      return std::nullopt;
    });
    resolver.ask_for({"api"});
    std::unique_lock lock(gate->mutex);
    ASSERT_TRUE(gate->changed.wait_for(lock, 20s, [&] { return gate->asked; }));
  }
  const std::lock_guard lock(gate->mutex);
  gate->open = true;
  gate->changed.notify_all();
}

TEST(HostResolver, AsksTheHostsOwnNameService) {
  const auto addresses = look_up_host("localhost");
  ASSERT_TRUE(addresses.has_value());
  EXPECT_THAT(*addresses, testing::Contains(std::string("\x7f\0\0\1", 4)));
}

}  // namespace
}  // namespace shrike::agent

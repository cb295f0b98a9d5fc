#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/admin/raw_client.h"
#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST(QueueCommandsTest, NoFilterIsAnErrorThatNamesTheFilters) {
  ControlSocket socket;
  for (const char* verb : {"list", "shape"}) {
    const Ran ran = socket.Run({"queue", verb});
    EXPECT_EQ(ran.code, 64);
    EXPECT_THAT(ran.err, HasSubstr("--everything"));
  }
}

TEST(QueueCommandsTest, RowsAreMaskedUnlessRevealed) {
  ControlSocket socket;
  const Ran masked = socket.Run({"queue", "list", "--everything", "--json"});
  EXPECT_THAT(masked.out, HasSubstr(kMasked));
  EXPECT_THAT(masked.out, Not(HasSubstr("jane.doe")));
  EXPECT_THAT(socket.Run({"queue", "list", "--everything", "--reveal"}).out, HasSubstr(kSecret));
}

TEST(QueueCommandsTest, APageHasACursorAndALimit) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"queue", "list", "--domain", "d1.test", "--after", "x y", "--limit", "5"}).code, 0);
  EXPECT_THAT(socket.node.calls(), Contains("rows d1.test x y 5"));
  EXPECT_EQ(socket.Run({"queue", "list", "--everything", "--limit", "5000"}).code, 64);
}

TEST(QueueCommandsTest, AShapeHasALimitAndSaysWhatItLeavesOut) {
  ControlSocket socket;
  const Ran ran = socket.Run({"queue", "shape", "--everything", "--limit", "2"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("And 7 more destinations with 64 messages, 1 of them retrying"));
  const Ran json = socket.Run({"queue", "shape", "--everything", "--limit", "2", "--json"});
  EXPECT_THAT(json.out, HasSubstr("\"total\": 9"));
  EXPECT_THAT(json.out, HasSubstr("\"queued\": 136")) << "of all";
  EXPECT_EQ(socket.Run({"queue", "shape", "--everything", "--limit", "100001"}).code, 64);
}

TEST(QueueCommandsTest, ARetryNeedsAReasonAndIsAJob) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"queue", "retry", "--domain", "d1.test"}).code, 64);
  EXPECT_EQ(socket.Run({"queue", "retry", "--domain", "d1.test", "--rate", "fast", "--reason", "r"}).code, 64);
  EXPECT_EQ(socket.Run({"queue", "jobs", "--json"}).Json()["jobs"].size(), 0u);
  const Ran ran =
      socket.Run({"queue", "retry", "--domain", "d1.test", "--rate", "10/s", "--reason", "outage over", "--json"});
  EXPECT_EQ(ran.code, 0);
  const Ran job = socket.Run({"queue", "job", ran.Json()["id"], "--json"});
  EXPECT_EQ(job.Json()["kind"], "retry");
  EXPECT_EQ(job.Json()["rate"], "10/s");
  EXPECT_EQ(job.Json()["reason"], "outage over");
}

TEST(QueueCommandsTest, ADryRunOfRetryIsNoChange) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"queue", "retry", "--everything", "--reason", "r", "--dry-run", "--json"}).Json()["queued"], 0);
  EXPECT_EQ(socket.Run({"queue", "jobs", "--json"}).Json()["jobs"].size(), 0u);
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
}

TEST(QueueCommandsTest, AReportCountsEventsByOutcomeProviderAndSource) {
  ControlSocket socket;
  queue::Event event = socket.node.events[0];
  socket.node.events.push_back(event);
  event.kind = queue::OutcomeKind::kDelivered;
  event.evidence.mx = "alt1.gmail-smtp-in.l.google.com [192.0.2.1]";
  event.reason_class.clear();
  socket.node.events.push_back(event);
  const nlohmann::json report = socket.Run({"campaign", "report", "spring", "--json"}).Json();
  EXPECT_EQ(report["events"], 3);
  const nlohmann::json bounced = {
      {"outcome", "bounced"}, {"class", "mailbox"}, {"provider", "other"}, {"source", "ip1"}, {"count", 2}};
  const nlohmann::json delivered = {
      {"outcome", "delivered"}, {"class", ""}, {"provider", "google"}, {"source", "ip1"}, {"count", 1}};
  EXPECT_EQ(report["outcomes"], nlohmann::json({bounced, delivered}));
  const Ran table = socket.Run({"campaign", "report", "spring"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("google"));
  EXPECT_THAT(table.out, Not(HasSubstr("jane.doe")));
  EXPECT_EQ(socket.Run({"campaign", "report", "no-such"}).code, socket.Run({"campaign", "show", "no-such"}).code);
}

TEST(QueueCommandsTest, ExplainSaysWhoSetWhatBinds) {
  ControlSocket socket;
  EXPECT_THAT(socket.Run({"domain", "explain", "d1.test"}).out, HasSubstr("/etc/sealift/sealift.toml:34"));
  const Ran csv = socket.Run({"domain", "explain", "d1.test", "-o", "csv"});
  EXPECT_THAT(csv.out, StartsWith("rows,reason,detail,set_by,until\r\n"));
  EXPECT_THAT(csv.out, HasSubstr("/etc/sealift/sealift.toml:34"));
}

TEST(EventsTest, EachLineHasTheFieldsOfTheContract) {
  ControlSocket socket;
  const Ran ran = socket.Run({"events"});
  const nlohmann::json event = ran.Json();
  std::vector<std::string> members;
  for (const auto& [member, value] : event.items()) members.push_back(member);
  EXPECT_THAT(members, testing::UnorderedElementsAre("cursor", "time", "id", "key", "campaign", "stream", "source",
                                                     "mx", "attempt", "outcome", "class", "rule", "code", "enhanced",
                                                     "reply", "tls", "cipher", "verified", "policy", "recipient"));
  EXPECT_EQ(event["campaign"], "spring");
  EXPECT_EQ(event["key"], "12") << "without a key column, the row's number";
  EXPECT_EQ(event["outcome"], "bounced");
  EXPECT_EQ(event["recipient"], kMasked);
  EXPECT_EQ(event["time"], "2027-01-15T08:00:00.000Z");
}

TEST(EventsTest, ARowIsNamedByItsKey) {
  ControlSocket socket;
  socket.node.events[0].key = "K-7";
  EXPECT_EQ(socket.Run({"events"}).Json()["key"], "K-7");
}

TEST(EventsTest, ACursorContinuesAfterItsEvent) {
  ControlSocket socket;
  for (int i = 2; i <= 3; ++i) {
    queue::Event event = socket.node.events[0];
    event.cursor = "c" + std::to_string(i);
    socket.node.events.push_back(event);
  }
  const Ran ran = socket.Run({"events", "--after", "c1"});
  EXPECT_THAT(ran.out, Not(HasSubstr("\"c1\"")));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
  EXPECT_EQ(socket.Run({"events", "--after", "junk"}).code, 65);
  const Ran limited = socket.Run({"events", "--limit", "1"});
  EXPECT_EQ(std::count(limited.out.begin(), limited.out.end(), '\n'), 1);
}

TEST(EventsTest, FollowSeesWhatHappensLater) {
  ControlSocket socket;
  // The limit ends it: the second event does not exist when the first is printed only if both were asked for at once.
  queue::Event later = socket.node.events[0];
  later.cursor = "c2";
  socket.node.events.push_back(later);
  const Ran ran = socket.Run({"events", "--follow", "--limit", "2"});
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
}

// Others wait for an answer.
TEST(EventsTest, SoManyFollowThatConnectionsAreLeftForCommands) {
  ControlSocket socket;
  std::vector<engine::RawClient> followers;
  const auto follow = [&] {
    followers.push_back(engine::RawClient::ToSocket(socket.socket()));
    EXPECT_TRUE(followers.back().Send("GET /api/v1/events?follow=1 HTTP/1.1\r\n\r\n"));
    return followers.back().ReadUntil("\r\n\r\n").substr(0, 12);
  };
  for (int i = 0; i < 24; ++i) EXPECT_EQ(follow(), "HTTP/1.1 200");
  const Ran one_more = socket.Run({"events", "--follow"});
  EXPECT_EQ(one_more.code, 75);
  EXPECT_THAT(one_more.err, HasSubstr("as many as may be at once"));
  EXPECT_EQ(socket.Run({"campaign", "start", "spring"}).code, 0);
  followers.clear();
  int code = 75;  // until it is noticed that they have gone
  for (int i = 0; i < 10'000 && code == 75; ++i) code = socket.Run({"events", "--follow", "--limit", "1"}).code;
  EXPECT_EQ(code, 0);
}

TEST(EventsTest, CsvHasOneHeaderAndARowAnEvent) {
  ControlSocket socket;
  const Ran ran = socket.Run({"events", "-o", "csv"});
  EXPECT_THAT(ran.out, testing::StartsWith("cursor,time,id,key,campaign,"));
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 2);
}

TEST(TraceTest, TakesAnIdWithItsBracketsAndMasksTheRecipient) {
  ControlSocket socket;
  const Ran ran = socket.Run({"message", "trace", "<abc@mta1.example.com>"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(socket.node.calls(), Contains("trace abc@mta1.example.com"));
  EXPECT_THAT(ran.out, HasSubstr(kMasked));
  EXPECT_THAT(ran.out, Not(HasSubstr("jane.doe")));
  EXPECT_THAT(ran.out, HasSubstr("TLSv1.3"));
  const Ran csv = socket.Run({"message", "trace", "<abc@mta1.example.com>", "-o", "csv"});
  EXPECT_THAT(csv.out, StartsWith("attempt,time,outcome,")) << "an attempt a line";
  EXPECT_THAT(csv.out, HasSubstr("TLSv1.3"));
}

}  // namespace
}  // namespace sealift::tools

#include "tools/sink/dns_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

constexpr std::string_view kScript = R"(
[[provider]]
name = "good"
domains = ["good.test"]
ttl = "77s"
mx = [{ host = "mx1.good.test", address = "127.0.1.1" }, { host = "mx2.good.test", address = "::1", preference = 20 }]
[[provider]]
name = "big"
domains = ["big.test"]
mx = [{ host = "mx{1..500}.big.test", address = "127.0.1.9" }]
[[provider]]
name = "implicit"
domains = ["implicit.test"]
dns = "address"
[[provider]]
name = "null"
domains = ["null.test"]
dns = "null-mx"
[[provider]]
name = "gone"
domains = ["gone.test"]
dns = "nxdomain"
[[provider]]
name = "empty"
domains = ["empty.test"]
dns = "nodata"
[[provider]]
name = "broken"
domains = ["broken.test"]
dns = "servfail"
dns_until = "10s"
[[provider]]
name = "silent"
domains = ["silent.test"]
dns = "silent"
[[provider]]
name = "loop"
domains = ["loop.test"]
dns = "loop"
[[provider]]
name = "signed"
domains = ["signed.test"]
dns_signed = true
txt = ["_smtp._tls v=TLSRPTv1; rua=mailto:tls@signed.test"]
)";

constexpr uint16_t kA = 1, kMx = 15, kTxt = 16, kAaaa = 28;

std::vector<uint8_t> Query(std::string_view name, uint16_t type, uint16_t edns = 0) {
  std::vector<uint8_t> bytes = {0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, static_cast<uint8_t>(edns > 0)};
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    bytes.push_back(static_cast<uint8_t>(dot));
    bytes.insert(bytes.end(), name.begin(), name.begin() + static_cast<ptrdiff_t>(dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  bytes.insert(bytes.end(), {0, 0, static_cast<uint8_t>(type), 0, 1});
  if (edns > 0) {
    bytes.insert(bytes.end(),
                 {0, 0, 41, static_cast<uint8_t>(edns >> 8), static_cast<uint8_t>(edns), 0, 0, 0, 0, 0, 0});
  }
  return bytes;
}

struct Reply {
  bool sent = false;
  std::string bytes;
  int rcode() const { return bytes[3] & 15; }
  bool authenticated() const { return (bytes[3] & 0x20) != 0; }
  bool truncated() const { return (bytes[2] & 2) != 0; }
  int answers() const { return static_cast<uint8_t>(bytes[6]) << 8 | static_cast<uint8_t>(bytes[7]); }
  int authorities() const { return static_cast<uint8_t>(bytes[9]); }
};

class DnsAnswerTest : public ::testing::Test {
 protected:
  Reply Ask(const std::vector<uint8_t>& query, DnsTransport transport = DnsTransport::kUdp,
            absl::Duration since = absl::ZeroDuration()) {
    Reply reply;
    reply.sent = AnswerDns(zone_, query, transport, since, &reply.bytes);
    return reply;
  }
  const Script script_ = *ReadScript(kScript, "s");
  const Zone zone_{script_};
};

TEST_F(DnsAnswerTest, MxRecordsComeWithPreferenceNameAndTtl) {
  const Reply reply = Ask(Query("good.test", kMx));
  ASSERT_TRUE(reply.sent);
  EXPECT_EQ(reply.bytes.substr(0, 2), "\x12\x34");
  EXPECT_EQ(reply.rcode(), 0);
  EXPECT_EQ(static_cast<uint8_t>(reply.bytes[2]) & 0x84, 0x84);  // a response, authoritative
  EXPECT_EQ(reply.answers(), 2);
  const std::string first("\xC0\x0C\0\x0F\0\x01\0\0\0\x4D\0\x11\0\x0A\3mx1\4good\4test\0", 29);
  const std::string second("\0\x14\3mx2\4good\4test\0", 17);
  EXPECT_NE(reply.bytes.find(first), std::string::npos);
  EXPECT_NE(reply.bytes.find(second), std::string::npos);
}

TEST_F(DnsAnswerTest, AddressesComeByFamily) {
  EXPECT_TRUE(Ask(Query("mx1.good.test", kA)).bytes.ends_with(std::string("\0\4\x7F\0\1\1", 6)));
  EXPECT_EQ(Ask(Query("mx1.good.test", kAaaa)).answers(), 0);
  EXPECT_EQ(Ask(Query("mx1.good.test", kAaaa)).authorities(), 1);
  EXPECT_TRUE(
      Ask(Query("mx2.good.test", kAaaa)).bytes.ends_with(std::string("\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 18)));
}

TEST_F(DnsAnswerTest, NamesAreFoundInAnyCase) {
  const Reply reply = Ask(Query("GooD.TesT", kMx));
  EXPECT_EQ(reply.answers(), 2);
  EXPECT_NE(reply.bytes.find("\4GooD\4TesT"), std::string::npos);  // the question is given back as it came
}

TEST_F(DnsAnswerTest, EachKindOfTroubleIsItsAnswer) {
  EXPECT_EQ(Ask(Query("nowhere.test", kMx)).rcode(), 3);
  EXPECT_EQ(Ask(Query("nowhere.test", kMx)).authorities(), 1);
  EXPECT_EQ(Ask(Query("gone.test", kMx)).rcode(), 3);
  EXPECT_EQ(Ask(Query("empty.test", kMx)).rcode(), 0);
  EXPECT_EQ(Ask(Query("empty.test", kMx)).answers(), 0);
  EXPECT_EQ(Ask(Query("broken.test", kMx)).rcode(), 2);
  EXPECT_FALSE(Ask(Query("silent.test", kMx)).sent);
  EXPECT_EQ(Ask(Query("implicit.test", kMx)).answers(), 0);
  EXPECT_EQ(Ask(Query("implicit.test", kA)).answers(), 1);
  EXPECT_TRUE(Ask(Query("null.test", kMx)).bytes.ends_with(std::string("\0\3\0\0\0", 5)));
  EXPECT_TRUE(Ask(Query("loop.test", kMx)).bytes.ends_with(std::string("\0\2\xC0\x0C", 4)));
  EXPECT_EQ(Ask(Query("good.test", kTxt)).answers(), 0);
}

TEST_F(DnsAnswerTest, WhatASignedZoneSaysIsAuthenticated) {
  EXPECT_TRUE(Ask(Query("signed.test", kMx)).authenticated());
  EXPECT_TRUE(Ask(Query("mx.signed.test", kA)).authenticated());
  EXPECT_FALSE(Ask(Query("good.test", kMx)).authenticated());
}

TEST_F(DnsAnswerTest, TextsStandBeneathTheirDomain) {
  const std::string text = "v=TLSRPTv1; rua=mailto:tls@signed.test";
  const std::string record =
      std::string("\0", 1) + static_cast<char>(text.size() + 1) + static_cast<char>(text.size()) + text;
  EXPECT_TRUE(Ask(Query("_smtp._tls.signed.test", kTxt)).bytes.ends_with(record));
  EXPECT_EQ(Ask(Query("_smtp._tls.signed.test", kA)).answers(), 0);
  EXPECT_EQ(Ask(Query("_smtp._tls.good.test", kTxt)).rcode(), 3);
}

// RFC 1035 3.3.14, 3.3: an RSA key of 2048 bits has more than the 255 bytes of a character-string.
TEST_F(DnsAnswerTest, ALongTextIsSeveralStrings) {
  const std::string text = "v=DKIM1; k=rsa; p=" + std::string(392, 'A');
  const auto script = [](const std::string& record) {
    return ReadScript("[[provider]]\nname = \"p\"\ndomains = [\"p.test\"]\ntxt = [\"s1._domainkey " + record + "\"]\n",
                      "s");
  };
  const absl::StatusOr<Script> read = script(text);
  ASSERT_TRUE(read.ok()) << std::string(read.status().message());
  std::string bytes;
  ASSERT_TRUE(AnswerDns(Zone(*read), Query("s1._domainkey.p.test", kTxt, 1232), DnsTransport::kUdp,
                        absl::ZeroDuration(), &bytes));
  const std::string record = std::string("\x01\x9C\xFF", 3) + text.substr(0, 255) + '\x9B' + text.substr(255);
  EXPECT_NE(bytes.find(record), std::string::npos);
  EXPECT_FALSE(script(std::string(4097, 'x')).ok());
}

TEST_F(DnsAnswerTest, TroubleCanEnd) {
  EXPECT_EQ(Ask(Query("broken.test", kMx), DnsTransport::kUdp, absl::Seconds(9)).rcode(), 2);
  EXPECT_EQ(Ask(Query("broken.test", kMx), DnsTransport::kUdp, absl::Seconds(10)).answers(), 1);
}

TEST_F(DnsAnswerTest, WhatDoesNotFitIsCutAndAskedForOverTcp) {
  const Reply udp = Ask(Query("big.test", kMx));
  EXPECT_TRUE(udp.truncated());
  EXPECT_LE(udp.bytes.size(), 512u);
  EXPECT_EQ(udp.answers(), 0);
  const Reply edns = Ask(Query("big.test", kMx, 4096));
  EXPECT_TRUE(edns.truncated());
  const Reply tcp = Ask(Query("big.test", kMx), DnsTransport::kTcp);
  EXPECT_FALSE(tcp.truncated());
  EXPECT_EQ(tcp.answers(), 500);
}

TEST_F(DnsAnswerTest, NoQueryCrashesIt) {
  const std::vector<uint8_t> whole = Query("good.test", kMx, 1232);
  for (size_t size = 0; size <= whole.size(); ++size) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const Reply reply = Ask(cut);
    if (size < 12) {
      EXPECT_FALSE(reply.sent) << size;
    } else {
      EXPECT_TRUE(reply.sent) << size;
    }
  }
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int value : {0x00, 0x3F, 0x40, 0xC0, 0xFF}) {
      std::vector<uint8_t> bent = whole;
      bent[i] = static_cast<uint8_t>(value);
      Ask(bent);
      Ask(bent, DnsTransport::kTcp);
    }
  }
  std::vector<uint8_t> response = whole;
  response[2] |= 0x80;
  EXPECT_FALSE(Ask(response).sent);  // an answer to an answer could go round for ever
  std::vector<uint8_t> malformed = {1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 'a'};
  EXPECT_EQ(Ask(malformed).rcode(), 1);
}

}  // namespace
}  // namespace sealift::tools::sink

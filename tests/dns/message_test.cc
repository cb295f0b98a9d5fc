#include "dns/message.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/dns/packet.h"

namespace sealift::dns {
namespace {

const Question kQuestion = {.id = 7, .name = "clinic.test", .type = kTypeMx};

// The two bytes of a compression pointer.
Bytes Pointer(size_t target) { return {static_cast<uint8_t>(0xc0 | target >> 8), static_cast<uint8_t>(target)}; }

TEST(MessageTest, RecordsAreRead) {
  const auto message = DecodeMessage(Packet(kQuestion)
                                         .Flag(kAuthenticated)
                                         .Mx("Clinic.TEST", 10, "MX1.clinic.test", 60)
                                         .A("mx1.clinic.test", "192.0.2.9")
                                         .Aaaa("mx1.clinic.test", "2001:db8::9")
                                         .Cname("a.test", "b.test")
                                         .Soa("test", 900, 300)
                                         .Build());
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->authenticated);
  EXPECT_EQ(message->question, "clinic.test");
  ASSERT_EQ(message->answers.size(), 4u);
  EXPECT_EQ(message->answers[0].owner, "clinic.test");
  EXPECT_EQ(message->answers[0].preference, 10);
  EXPECT_EQ(message->answers[0].target, "mx1.clinic.test");
  EXPECT_EQ(message->answers[0].ttl, absl::Seconds(60));
  EXPECT_EQ(message->answers[1].address, Address::Parse("192.0.2.9"));
  EXPECT_EQ(message->answers[2].address, Address::Parse("2001:db8::9"));
  EXPECT_EQ(message->answers[3].target, "b.test");
  EXPECT_EQ(message->negative_ttl, absl::Seconds(300));
}

TEST(MessageTest, CompressedNamesAreFollowedBackwards) {
  Bytes data = {0, 10, 3, 'm', 'x', '1'};
  const Bytes to_question = Pointer(12);
  data.insert(data.end(), to_question.begin(), to_question.end());
  const auto message = DecodeMessage(Packet(kQuestion).Record("clinic.test", kTypeMx, 60, data).Build());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->answers[0].target, "mx1.clinic.test");
}

TEST(MessageTest, PointersForwardsAndInCirclesAreRefused) {
  const size_t data_at = 12 + 13 + 4 + 13 + 10;  // header, question, owner, and the rest before the record's data
  for (const size_t target : {data_at + 2, data_at + 6, size_t{0x3fff}}) {
    Bytes data = {0, 10};
    const Bytes pointer = Pointer(target);
    data.insert(data.end(), pointer.begin(), pointer.end());
    EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("clinic.test", kTypeMx, 60, data).Build()).has_value())
        << target;
  }
  // A label, then a pointer back to it: every pass would add a label.
  Bytes data = {0, 10, 1, 'a'};
  const Bytes pointer = Pointer(data_at + 2);
  data.insert(data.end(), pointer.begin(), pointer.end());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("clinic.test", kTypeMx, 60, data).Build()).has_value());
}

TEST(MessageTest, NamesOverTheirLengthAreRefused) {
  const std::string label(63, 'a');
  const std::string name = label + "." + label + "." + label + "." + label;
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Mx("clinic.test", 10, name).Build()).has_value());
}

TEST(MessageTest, BytesThatAreNoHostsStandEscaped) {
  Bytes data = {0, 10, 4, 'a', 0, '.', '\\', 0};
  const auto message = DecodeMessage(Packet(kQuestion).Record("clinic.test", kTypeMx, 60, data).Build());
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->answers[0].target, "a\\000\\046\\092");
}

TEST(MessageTest, DataThatDoesNotFillItsLengthIsRefused) {
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeA, 60, {192, 0, 2}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeA, 60, {192, 0, 2, 1, 9}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeMx, 60, {0}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeMx, 60, {0, 1, 0, 0}).Build()).has_value());
}

TEST(MessageTest, TlsaRecordsAndTextsAreReadWhole) {
  const auto message = DecodeMessage(Packet(kQuestion)
                                         .Tlsa("_25._tcp.mx.test", 3, 1, 1, {1, 2, 3})
                                         .Tlsa("_25._tcp.mx.test", 2, 0, 0, {})
                                         .Txt("_mta-sts.clinic.test", {"v=STSv1; ", "id=7;"})
                                         .Txt("empty.test", {""})
                                         .Build());
  ASSERT_TRUE(message.has_value());
  ASSERT_EQ(message->answers.size(), 4u);
  EXPECT_EQ(message->answers[0].tlsa, (Tlsa{3, 1, 1, {1, 2, 3}}));
  EXPECT_EQ(message->answers[1].tlsa, (Tlsa{2, 0, 0, {}}));
  EXPECT_EQ(message->answers[2].text, "v=STSv1; id=7;");
  EXPECT_EQ(message->answers[3].text, "");
}

TEST(MessageTest, TlsaRecordsAndTextsThatDoNotFillTheirLengthAreRefused) {
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeTlsa, 60, {}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeTlsa, 60, {3, 1}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeTxt, 60, {5, 'a', 'b'}).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Record("a.test", kTypeTxt, 60, {2, 'a', 'b', 9}).Build()).has_value());
}

TEST(MessageTest, ATtlWithItsTopBitSetIsZero) {
  const auto message = DecodeMessage(Packet(kQuestion).Mx("clinic.test", 10, "mx.test", 0x80000001).Build());
  EXPECT_EQ(message->answers[0].ttl, absl::ZeroDuration());
}

TEST(MessageTest, WhatIsNoWholeAnswerToOneQuestionIsRefused) {
  const Bytes good = Packet(kQuestion).Mx("clinic.test", 10, "mx.test").Build();
  ASSERT_TRUE(DecodeMessage(good).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Flag(kTruncated).Build()).has_value());
  EXPECT_FALSE(DecodeMessage(Packet(kQuestion).Flag(0x0800).Build()).has_value());  // another opcode
  Bytes query = good;
  query[2] &= 0x7f;
  EXPECT_FALSE(DecodeMessage(query).has_value());
  Bytes two_questions = good;
  two_questions[5] = 2;
  EXPECT_FALSE(DecodeMessage(two_questions).has_value());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeMessage(std::span(good).first(size)).has_value()) << size;
  }
}

TEST(MessageTest, DamagedMessagesAreRefusedOrReadButNeverMore) {
  std::mt19937 random(19);
  const Bytes good = Packet(kQuestion)
                         .Cname("clinic.test", "a.test")
                         .Mx("a.test", 10, "mx1.clinic.test")
                         .Mx("a.test", 20, "")
                         .Record("a.test", 46, 60, Bytes(40, 1))
                         .A("mx1.clinic.test", "192.0.2.9")
                         .Soa("test", 900, 300)
                         .Build();
  int read = 0;
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes = good;
    for (int n = static_cast<int>(random() % 4); n >= 0; --n)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto message = DecodeMessage(bytes);
    if (!message.has_value()) continue;
    ++read;
    EXPECT_LE(message->answers.size(), 5u);
    for (const Record& record : message->answers) EXPECT_LE(record.target.size(), 4u * 255);
  }
  EXPECT_GT(read, 1000);  // the loop reaches more than the first check
}

TEST(MessageTest, NoiseIsRefused) {
  std::mt19937 random(23);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(random() % 600);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    DecodeMessage(bytes);
  }
}

}  // namespace
}  // namespace sealift::dns

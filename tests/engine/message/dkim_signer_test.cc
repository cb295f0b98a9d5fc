#include "engine/message/dkim_signer.h"

#include <absl/strings/escaping.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string>
#include <vector>

#include "engine/smtp/utf8.h"
#include "tests/engine/message/dkim_keys.h"
#include "tests/engine/message/wire.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// RFC 8463 A.3.
constexpr std::string_view kRfcHeader =
    "From: Joe SixPack <joe@football.example.com>\r\n"
    "To: Suzie Q <suzie@shopping.example.net>\r\n"
    "Subject: Is dinner ready?\r\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
constexpr std::string_view kRfcBody = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n";

std::string Base64(std::string_view bytes) {
  std::string text;
  absl::Base64Escape(std::string(bytes), &text);
  return text;
}

std::string RfcSignature(std::string_view pem, std::string_view algorithm, std::string_view selector) {
  const std::string field =
      "DKIM-Signature: v=1; a=" + std::string(algorithm) +
      "; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=" +
      std::string(selector) +
      "; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n "
      "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
  const Sha256 hash =
      HashDkimHeader(kRfcHeader, {"from", "to", "subject", "date", "message-id", "from", "subject", "date"}, field);
  return Base64(*ParsedKey(pem).Sign(hash));
}

TEST(DkimSignerTest, TheExampleOfRfc8463IsReproduced) {
  const Sha256 body = HashRelaxedBody(kRfcBody);
  EXPECT_EQ(Base64({reinterpret_cast<const char*>(body.data()), body.size()}),
            "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  EXPECT_EQ(RfcSignature(kRfc8463Ed25519, "ed25519-sha256", "brisbane"),
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");
  EXPECT_EQ(
      RfcSignature(kRfc8463Rsa, "rsa-sha256", "test"),
      "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgee"
      "fOsk2JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=");
}

DkimSigner TwoKeys() {
  return DkimSigner({{"football.example.com", "test", ParsedKey(kRfc8463Rsa)},
                     {"football.example.com", "brisbane", ParsedKey(kRfc8463Ed25519)}});
}

std::string Fields(const DkimSigner& signer, std::string_view message) {
  std::string fields;
  const absl::Status status = signer.Sign(message, std::nullopt, fields);
  EXPECT_TRUE(status.ok()) << status;
  return fields;
}

// The value of a tag of the first signature, unfolded.
std::string Tag(std::string_view fields, std::string_view name) {
  std::string flat;
  for (const char c : fields.substr(0, fields.find("\r\nDKIM-Signature", 1))) {
    if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) flat += c;
  }
  flat.replace(0, flat.find(':') + 1, ";");
  const size_t at = flat.find(";" + std::string(name) + "=");
  if (at == std::string::npos) return "none";
  const size_t begin = at + name.size() + 2;
  return flat.substr(begin, flat.find(';', begin) - begin);
}

TEST(DkimSignerTest, EachKeySignsAndNothingSaysWhen) {
  const std::string fields = Fields(TwoKeys(), std::string(kRfcHeader) + "\r\n" + std::string(kRfcBody));
  EXPECT_THAT(fields, HasSubstr("a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com;\r\n s=test;\r\n h="));
  EXPECT_THAT(fields, HasSubstr("a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com;\r\n s=brisbane;"));
  for (const std::string_view absent : {"t", "x", "l", "i", "q", "z"}) EXPECT_EQ(Tag(fields, absent), "none") << absent;
  ExpectWireSafe(fields);
  for (std::string_view rest = fields; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
    EXPECT_LE(rest.find('\r'), 78U) << rest;
}

TEST(DkimSignerTest, TheSameMessageGetsTheSameBytes) {
  const std::string message = std::string(kRfcHeader) + "\r\n" + std::string(kRfcBody);
  EXPECT_EQ(Fields(TwoKeys(), message), Fields(TwoKeys(), message));
  std::string given;
  ASSERT_TRUE(TwoKeys().Sign(message, HashRelaxedBody(kRfcBody), given).ok());
  EXPECT_EQ(given, Fields(TwoKeys(), message));
}

TEST(DkimSignerTest, MessagesSignedTogetherGetTheBytesThatEachGetsAlone) {
  const DkimSigner signer({{"d1.test", "long", *DkimKey::Generate(DkimAlgorithm::kRsaSha256)},
                           {"d1.test", "short", ParsedKey(kRfc8463Rsa)},
                           {"d1.test", "curve", ParsedKey(kRfc8463Ed25519)}});
  constexpr size_t kMessages = 19;  // two times as many as go together, and some alone
  std::vector<std::string> messages(kMessages), fields(kMessages, "before ");
  std::vector<DkimSigner::Unsigned> to_sign(kMessages);
  for (size_t i = 0; i < kMessages; ++i) {
    messages[i] = "From: a@d1.test\r\nSubject: " + std::to_string(i) + "\r\n\r\n" + std::string(i, 'x') + "\r\n";
    to_sign[i].message = messages[i];
    to_sign[i].fields = &fields[i];
    if (i % 2 == 0) to_sign[i].body_hash = HashRelaxedBody(std::string(i, 'x') + "\r\n");
  }
  signer.Sign(absl::MakeSpan(to_sign));
  for (size_t i = 0; i < kMessages; ++i) {
    EXPECT_TRUE(to_sign[i].status.ok()) << to_sign[i].status;
    EXPECT_EQ(fields[i], "before " + Fields(signer, messages[i])) << i;
  }
}

TEST(DkimSignerTest, EveryFieldIsSignedOnceMoreThanItStands) {
  const std::string names = Tag(Fields(TwoKeys(),
                                       "From: a@d1.test\r\nsubject: x\r\nReferences: a\r\nReferences: b\r\n"
                                       "X-Other: y\r\n\r\n"),
                                "h");
  EXPECT_THAT(names, MatchesRegex("From:From:Sender:.*"));
  EXPECT_THAT(names, HasSubstr(":Subject:Subject:Date:Message-ID:"));
  EXPECT_THAT(names, HasSubstr(":References:References:References:MIME-Version:"));
  EXPECT_THAT(names, HasSubstr(":List-Unsubscribe:List-Unsubscribe-Post:"));
  EXPECT_THAT(names, Not(HasSubstr("X-Other")));
}

// Whether OpenSSL accepts the first signature of `fields` for a message with this header and body.
bool Verifies(const DkimKey& key, const std::string& fields, std::string_view header, std::string_view body) {
  std::string bytes;
  const std::string one = fields.substr(0, fields.find("\r\nDKIM-Signature", 1));
  const size_t b = one.find("\r\n b=");
  EXPECT_TRUE(absl::Base64Unescape(Tag(one, "b"), &bytes));
  const Sha256 body_hash = HashRelaxedBody(body);
  if (Tag(one, "bh") != Base64({reinterpret_cast<const char*>(body_hash.data()), body_hash.size()})) return false;
  std::vector<std::string_view> names;
  const std::string list = Tag(one, "h");
  for (std::string_view rest = list; !rest.empty();) {
    names.push_back(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), names.back().size() + 1));
  }
  return *key.Sign(HashDkimHeader(header, names, one.substr(0, b + 5))) == bytes;
}

TEST(DkimSignerTest, WhateverIsChangedOrAddedBreaksTheSignature) {
  const std::string header = "From: a@d1.test\r\nTo: b@d2.test\r\nSubject: long\r\n words\r\n";
  const std::string body = "Hello  you\r\n.\r\n";
  const DkimKey key = ParsedKey(kRfc8463Ed25519);
  const std::string fields = Fields(DkimSigner({{"d1.test", "s", key}}), header + "\r\n" + body);
  EXPECT_TRUE(Verifies(key, fields, header, body));
  EXPECT_TRUE(Verifies(key, fields, header + "X-Added: by a relay\r\n", body + "\r\n")) << "relaxed forgives this";
  EXPECT_FALSE(Verifies(key, fields, header, "Hello you all\r\n.\r\n"));
  EXPECT_FALSE(Verifies(key, fields, "From: a@d1.test\r\nTo: c@d2.test\r\nSubject: long\r\n words\r\n", body));
  for (const std::string added :
       {"From: x@evil.test", "Subject: other", "To: x@d3.test", "Date: x", "Reply-To: x@evil.test",
        "List-Unsubscribe: <https://evil.test/>", "List-Unsubscribe-Post: x", "Cc: x@d3.test",
        "Content-Type: text/html", "Message-ID: <x@evil.test>", "Sender: x@evil.test"}) {
    const std::string line = added + "\r\n";
    EXPECT_FALSE(Verifies(key, fields, header + line, body)) << added;
    EXPECT_FALSE(Verifies(key, fields, line + header, body)) << added;
  }
}

TEST(DkimSignerTest, AMessageWithoutABodyIsSigned) {
  const DkimKey key = ParsedKey(kRfc8463Ed25519);
  const DkimSigner signer({{"d1.test", "s", key}});
  EXPECT_TRUE(Verifies(key, Fields(signer, "From: a@d1.test\r\n\r\n"), "From: a@d1.test\r\n", ""));
  EXPECT_TRUE(Verifies(key, Fields(signer, "From: a@d1.test\r\n"), "From: a@d1.test\r\n", ""));
}

// What rows share must be what each of them would have had.
TEST(DkimSignerTest, ABodyWithoutFieldsIsHashedOnceForAllRows) {
  constexpr std::string_view kMixed =
      "From: {{name}} <a@d1.test>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext \n--b\nContent-Type: "
      "application/pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n--b--\n";
  constexpr std::string_view kNested =
      "From: a@d1.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; "
      "boundary=c\n\n--c\n\none\n--c\nContent-Type: text/html\n\n<p>two</p>\n--c--\n--b--\n";
  constexpr std::string_view kFixed[] = {
      "From: a@d1.test\nSubject: Hi {{name}}\n\nThe same for all.\n",
      "From: a@d1.test\n\n",
      "From: a@d1.test\n\nJ\xC3\xA4ne\n\n\n  \n",
      "From: a@d1.test\nContent-Type: text/html\n\n<p>Gr\u00FC\u00DFe</p>",
      kMixed,
      "From: a@d1.test\nContent-Type: application/json\n\n{}\n",
      kNested,
  };
  for (const std::string_view eml : kFixed) {
    const Template compiled = Compiled(eml, {"name"});
    const absl::StatusOr<std::string> message = Rendered(compiled, {"Jane"});
    ASSERT_TRUE(message.ok()) << message.status();
    ASSERT_TRUE(compiled.fixed_body_hash().has_value()) << eml;
    EXPECT_EQ(*compiled.fixed_body_hash(), HashRelaxedBody(message->substr(message->find("\r\n\r\n") + 4))) << eml;
  }
}

TEST(DkimSignerTest, ABodyWithAFieldOrASectionIsHashedForEachRow) {
  EXPECT_FALSE(Compiled("From: a@d1.test\n\nDear {{name}}\n", {"name"}).fixed_body_hash().has_value());
  EXPECT_FALSE(Compiled("From: a@d1.test\n\n{{#name}}x{{/name}}\n", {"name"}).fixed_body_hash().has_value());
  const Template parts =
      Compiled("From: a@d1.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{{name}}\n--b--\n", {"name"});
  EXPECT_FALSE(parts.fixed_body_hash().has_value());
}

}  // namespace
}  // namespace sealift::engine

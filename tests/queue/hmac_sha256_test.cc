#include "queue/hmac_sha256.h"

#include <string>

#include "fmt/format.h"
#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

std::string Hex(const HmacSha256& hmac, std::string_view text) {
  std::string hex;
  for (const uint8_t byte : hmac.Of(text)) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::span<const uint8_t> Bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// RFC 4231 4.2 to 4.5.
TEST(HmacSha256Test, MatchesTheStandardsVectors) {
  HmacSha256 hmac;
  hmac.SetKey(Bytes(std::string(20, '\x0b')));
  EXPECT_EQ(Hex(hmac, "Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  hmac.SetKey(Bytes("Jefe"));
  EXPECT_EQ(Hex(hmac, "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  hmac.SetKey(Bytes(std::string(20, '\xaa')));
  EXPECT_EQ(Hex(hmac, std::string(50, '\xdd')), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(Hex(hmac, std::string(50, '\xdd')), Hex(hmac, std::string(50, '\xdd'))) << "the key stays as it was";
}

TEST(HmacSha256Test, TextOfAnyLengthIsTaken) {
  HmacSha256 hmac;
  hmac.SetKey(Bytes(std::string(64, 'k')));
  EXPECT_NE(Hex(hmac, ""), Hex(hmac, std::string(1, '\0')));
  EXPECT_NE(Hex(hmac, std::string(64, 'x')), Hex(hmac, std::string(65, 'x')));
}

}  // namespace
}  // namespace sealift::queue

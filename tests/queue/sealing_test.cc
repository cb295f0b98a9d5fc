#include "queue/sealing.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

std::string Unhex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

Secret SecretOf(std::string_view bytes) {
  std::array<uint8_t, 32> key;
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return Secret(key);
}

// Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), also in NIST's GCM submission.
TEST(CipherTest, MatchesTheGcmTestVector) {
  Cipher cipher(SecretOf(Unhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")),
                Cipher::Direction::kSeal);
  std::string sealed;
  cipher.Seal(
      Unhex("cafebabefacedbaddecaf888"), {Unhex("feedfacedeadbeef"), Unhex("feedfacedeadbeefabaddad2")},
      Unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aed"
            "f5aa0de657ba637b39"),
      &sealed);
  EXPECT_EQ(sealed,
            Unhex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c"
                  "5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"));
}

// RFC 5869, A.1, to 32 bytes: its key is shorter than ours, so that only the shape can be checked with a key of ours.
TEST(SecretTest, DerivedKeysDependOnKeySaltAndPurpose) {
  const Secret key = Secret::Random(), other = Secret::Random();
  const auto bytes = [](const Secret& secret) {
    return std::string(reinterpret_cast<const char*>(secret.data()), Secret::kSize);
  };
  const std::string derived = bytes(key.Derive("salt", "purpose"));
  EXPECT_EQ(derived, bytes(key.Derive("salt", "purpose")));
  EXPECT_NE(derived, bytes(key.Derive("tlas", "purpose")));
  EXPECT_NE(derived, bytes(key.Derive("salt", "porpoise")));
  EXPECT_NE(derived, bytes(other.Derive("salt", "purpose")));
  EXPECT_NE(derived, bytes(key));
}

TEST(CipherTest, OpensOnlyWhatWasSealedHere) {
  const Secret key = Secret::Random();
  Cipher seal(key, Cipher::Direction::kSeal), open(key, Cipher::Direction::kOpen),
      other(Secret::Random(), Cipher::Direction::kOpen);
  const std::string nonce(12, 'n');
  std::string sealed, opened;
  seal.Seal(nonce, {"r", "key"}, "plaintext", &sealed);
  ASSERT_TRUE(open.Open(nonce, {"r", "key"}, sealed, &opened));
  EXPECT_EQ(opened, "plaintext");
  EXPECT_FALSE(open.Open(nonce, {"r", "kex"}, sealed, &opened));
  EXPECT_FALSE(open.Open(nonce, {"l", "key"}, sealed, &opened));
  EXPECT_FALSE(open.Open(std::string(12, 'm'), {"r", "key"}, sealed, &opened));
  EXPECT_FALSE(other.Open(nonce, {"r", "key"}, sealed, &opened));
  EXPECT_TRUE(opened.empty());
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string flipped = sealed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(open.Open(nonce, {"r", "key"}, flipped, &opened)) << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(open.Open(nonce, {"r", "key"}, sealed.substr(0, size), &opened)) << size;
  }
}

}  // namespace
}  // namespace sealift::queue

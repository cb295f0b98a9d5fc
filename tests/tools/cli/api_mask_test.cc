#include "engine/admin/api_mask.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(MaskAddressTest, ShowsTheFirstCharacterAndTheDomain) {
  EXPECT_EQ(MaskAddress("jane.doe@d1.test"), "j***@d1.test");
}

TEST(MaskAddressTest, AOneCharacterMailboxShowsNoneOfItself) { EXPECT_EQ(MaskAddress("j@d1.test"), "***@d1.test"); }

TEST(MaskAddressTest, AnAtSignInAQuotedMailboxIsNotTheDomains) {
  EXPECT_EQ(MaskAddress("\"jane@home\"@d1.test"), "***@d1.test");
}

TEST(MaskAddressTest, HalfACharacterIsNeverShown) { EXPECT_EQ(MaskAddress("ärzte@d1.test"), "***@d1.test"); }

TEST(MaskAddressTest, WhatIsNoAddressShowsNothing) { EXPECT_EQ(MaskAddress("jane"), "***"); }

}  // namespace
}  // namespace sealift::engine

#include "engine/message/alignment.h"

#include <gtest/gtest.h>

#include <vector>

namespace sealift::engine {
namespace {

TEST(AlignmentTest, AnOrganisationIsWhatCanBeRegistered) {
  EXPECT_EQ(OrganisationalDomain("example.com"), "example.com");
  EXPECT_EQ(OrganisationalDomain("a.b.mail.example.com"), "example.com");
  EXPECT_EQ(OrganisationalDomain("news.example.co.uk"), "example.co.uk");
  EXPECT_EQ(OrganisationalDomain("co.uk"), "co.uk") << "a public suffix is nobody's: it stands for itself";
  EXPECT_EQ(OrganisationalDomain("com"), "com");
  EXPECT_EQ(OrganisationalDomain("me.github.io"), "me.github.io") << "customers of one host are strangers";
  EXPECT_EQ(OrganisationalDomain("mail.clinic.test"), "clinic.test") << "what the list does not know has one label";
  EXPECT_EQ(OrganisationalDomain("x.xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(OrganisationalDomain("mail.kyoto.jp"), "mail.kyoto.jp") << "*.jp cities: kyoto.jp is a suffix";
  EXPECT_EQ(OrganisationalDomain("a.example.xn--55qx5d.cn"), "example.xn--55qx5d.cn") << "a suffix beyond ASCII";
  EXPECT_EQ(OrganisationalDomain(""), "");
}

TEST(AlignmentTest, OneOrganisationIsEnoughOnEitherSide) {
  const struct {
    const char* from;
    std::vector<std::string> dkim;
    const char* return_path;
    bool by_dkim, by_return_path;
  } cases[] = {
      {"example.com", {"example.com"}, "bounce.other.net", true, false},
      {"news.example.com", {"example.com"}, "mta.other.net", true, false},
      {"example.com", {"mail.example.com"}, "mta.other.net", true, false},
      {"example.com", {"other.net", "example.com"}, "mta.other.net", true, false},
      {"example.com", {}, "bounce.example.com", false, true},
      {"news.example.com", {}, "bounce.example.com", false, true},
      {"example.com", {"example.com"}, "example.com", true, true},
      {"example.com", {"other.net"}, "bounce.other.net", false, false},
      {"example.com", {}, "bounce.example.com.other.net", false, false},
      {"example.com", {"notexample.com"}, "bexample.com", false, false},
      {"a.co.uk", {"b.co.uk"}, "co.uk", false, false},
      {"me.github.io", {"you.github.io"}, "github.io", false, false},
      {"xn--bcher-kva.example", {"mail.xn--bcher-kva.example"}, "other.net", true, false},
  };
  for (const auto& one : cases) {
    const Alignment alignment = CheckAlignment(one.from, one.dkim, one.return_path);
    EXPECT_EQ(alignment.dkim, one.by_dkim) << one.from;
    EXPECT_EQ(alignment.return_path, one.by_return_path) << one.from;
    EXPECT_EQ(alignment.aligned(), one.by_dkim || one.by_return_path);
  }
}

}  // namespace
}  // namespace sealift::engine

#include "tests/scenario/harness/signed_zone.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

// The base name of a new key: "Ktest.+013+12345", in the folder.
std::string MakeKey(const std::string& folder) {
  const Ran ran = RunCommand({"/bin/sh", "-c", "cd \"$1\" && exec \"$2\" -a ECDSAP256SHA256 -k test.", "sh", folder,
                              Program("ldns-keygen", "ldnsutils")});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  return folder + "/" + ran.out.substr(0, ran.out.find('\n'));
}

}  // namespace

SignedZone SignedZone::Make(const TempDir& dir, const std::string& name_server, const std::vector<std::string>& records,
                            const std::vector<Forgery>& forgeries) {
  const std::string key = MakeKey(dir.Folder("zone-key"));
  const std::string plain = dir.Write("plain.zone", NameServer::ZoneOf(name_server, records));
  const std::string signed_file = dir.path() / "signed.zone";
  const Ran ran = RunCommand({Program("ldns-signzone", "ldnsutils"), "-o", "test.", "-f", signed_file, plain, key});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  std::string zone = ReadFile(signed_file);
  for (const Forgery& forgery : forgeries) {
    const size_t at = zone.find(forgery.was);
    EXPECT_NE(at, std::string::npos) << "the zone does not say " << forgery.was;
    if (at != std::string::npos) zone.replace(at, forgery.was.size(), forgery.is);
  }
  return {.zone_file = dir.Write("test.zone", zone, 0644), .anchor_file = key + ".ds"};
}

}  // namespace sealift::scenario

#include "tests/scenario/harness/name_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/loopback.h"

namespace sealift::scenario {

NameServer::NameServer(const TempDir& dir, const std::string& name, const std::vector<std::string>& argv,
                       const std::string& address)
    : process_(argv, dir.path() / (name + ".out"), dir.path() / (name + ".err")) {
  // Both answer over TCP as soon as they answer over UDP.
  const bool up = Eventually(std::chrono::seconds(20), [&] { return Accepts(address, kPort) || !process_.running(); });
  EXPECT_TRUE(up && process_.running()) << name << " did not come up: " << process_.Err() << process_.Out();
}

std::string NameServer::ZoneOf(const std::string& address, const std::vector<std::string>& records) {
  std::string zone = "test. 60 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 5\ntest. 60 IN NS ns.test.\n";
  zone += fmt::format("ns.test. 60 IN A {}\n", address);
  for (const std::string& record : records) zone += record + "\n";
  return zone;
}

std::unique_ptr<NameServer> NameServer::Nsd(const TempDir& dir, const std::string& address,
                                            const std::vector<std::string>& records) {
  return NsdWith(dir, address, dir.Write("test.zone", ZoneOf(address, records), 0644));
}

std::unique_ptr<NameServer> NameServer::NsdWith(const TempDir& dir, const std::string& address,
                                                const std::string& zone_file) {
  const std::string folder = dir.Folder("nsd");
  const std::string config =
      dir.Write("nsd.conf",
                fmt::format("server:\n"
                            "  ip-address: {0}@{1}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n"
                            "  database: \"\"\n  zonesdir: \"{2}\"\n  pidfile: \"{2}/pid\"\n  xfrdfile: \"{2}/xfrd\"\n"
                            "  zonelistfile: \"{2}/zones\"\n  cookie-secret-file: \"{2}/cookies\"\n"
                            "remote-control:\n  control-enable: no\n"
                            "zone:\n  name: test\n  zonefile: \"{3}\"\n",
                            address, kPort, folder, zone_file));
  return std::unique_ptr<NameServer>(new NameServer(dir, "nsd", {Program("nsd", "nsd"), "-d", "-c", config}, address));
}

std::unique_ptr<NameServer> NameServer::StartUnbound(const TempDir& dir, const std::string& address,
                                                     const std::string& lines) {
  const std::string text = fmt::format(
      "server:\n"
      "  interface: {}@{}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n  pidfile: \"\"\n"
      "  use-syslog: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n{}remote-control:\n"
      "  control-enable: no\n",
      address, kPort, dir.Folder("unbound"), lines);
  const std::string config = dir.Write("unbound.conf", text);
  return std::unique_ptr<NameServer>(
      new NameServer(dir, "unbound", {Program("unbound", "unbound"), "-d", "-c", config}, address));
}

std::unique_ptr<NameServer> NameServer::Unbound(const TempDir& dir, const std::string& address,
                                                const std::vector<std::string>& records) {
  std::string lines = "  module-config: \"iterator\"\n  local-zone: \"test.\" static\n";
  for (const std::string& record : records) lines += fmt::format("  local-data: '{}'\n", record);
  return StartUnbound(dir, address, lines);
}

std::unique_ptr<NameServer> NameServer::Validating(const TempDir& dir, const std::string& address,
                                                   const std::string& authority, const std::string& anchor_file) {
  // Its own knowledge of `test.` (RFC 6761) is put aside.
  return StartUnbound(dir, address,
                      fmt::format("  module-config: \"validator iterator\"\n  trust-anchor-file: \"{}\"\n"
                                  "  local-zone: \"test.\" nodefault\n  do-not-query-localhost: no\n"
                                  "stub-zone:\n  name: \"test.\"\n  stub-addr: {}@{}\n",
                                  anchor_file, authority, kPort));
}

}  // namespace sealift::scenario

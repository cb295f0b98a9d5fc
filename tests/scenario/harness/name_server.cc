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

std::unique_ptr<NameServer> NameServer::Nsd(const TempDir& dir, const std::string& address,
                                            const std::vector<std::string>& records) {
  std::string zone = "test. 60 IN SOA ns.test. hostmaster.test. 1 3600 600 86400 5\ntest. 60 IN NS ns.test.\n";
  zone += fmt::format("ns.test. 60 IN A {}\n", address);
  for (const std::string& record : records) zone += record + "\n";
  const std::string zone_file = dir.Write("test.zone", zone, 0644);
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

std::unique_ptr<NameServer> NameServer::Unbound(const TempDir& dir, const std::string& address,
                                                const std::vector<std::string>& records) {
  std::string text = fmt::format(
      "server:\n"
      "  interface: {}@{}\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n  pidfile: \"\"\n"
      "  use-syslog: no\n  module-config: \"iterator\"\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n"
      "  local-zone: \"test.\" static\n",
      address, kPort, dir.Folder("unbound"));
  for (const std::string& record : records) text += fmt::format("  local-data: '{}'\n", record);
  text += "remote-control:\n  control-enable: no\n";
  const std::string config = dir.Write("unbound.conf", text);
  return std::unique_ptr<NameServer>(
      new NameServer(dir, "unbound", {Program("unbound", "unbound"), "-d", "-c", config}, address));
}

}  // namespace sealift::scenario

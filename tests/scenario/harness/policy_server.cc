#include "tests/scenario/harness/policy_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

#include "tests/scenario/harness/eventually.h"

namespace sealift::scenario {
namespace {

// Lines of its script: "ADDRESS CERT KEY POLICY-FILE".
constexpr const char* kPython = R"(
import http.server, os, ssl, sys, threading

def say(what, address):
    os.write(1, ('%s %s\n' % (what, address)).encode())

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def process_request_thread(self, request, client):
        try:
            request = self.tls.wrap_socket(request, server_side=True)
        except OSError:
            say('refused', self.server_address[0])
            return
        super().process_request_thread(request, client)

class Policies(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path == '/.well-known/mta-sts.txt'
        self.send_response(200 if found else 404)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(self.server.policy) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.server.policy)
            say('fetched', self.server.server_address[0])

    def log_message(self, *words):
        pass

for line in open(sys.argv[1]):
    address, cert, key, policy = line.split()
    server = Server((address, int(sys.argv[2])), Policies)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(cert, key)
    server.policy = open(policy, 'rb').read()
    threading.Thread(target=server.serve_forever, daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
)";

std::vector<std::string> CommandLine(const TempDir& dir, const std::string& name,
                                     const std::vector<PolicyServer::Host>& hosts) {
  std::string script;
  for (const PolicyServer::Host& host : hosts) {
    const std::string policy = dir.Write(name + "." + host.address, host.policy);
    script += fmt::format("{} {} {} {}\n", host.address, host.certificate.cert_file, host.certificate.key_file, policy);
  }
  return {Program("python3", "python3"),         "-I", "-c", kPython, dir.Write(name + ".servers", script),
          fmt::format("{}", PolicyServer::kPort)};
}

}  // namespace

PolicyServer::PolicyServer(const TempDir& dir, const std::string& name, const std::vector<Host>& hosts)
    : process_(CommandLine(dir, name, hosts), dir.path() / (name + ".out"), dir.path() / (name + ".err")) {
  const bool ready = Eventually(std::chrono::seconds(30), [this] {
    return process_.Out().find("ready") != std::string::npos || !process_.running();
  });
  EXPECT_TRUE(ready && process_.running()) << "the web servers did not come up: " << process_.Err();
}

size_t PolicyServer::Fetched(const std::string& address) const { return CountOf("fetched " + address); }

size_t PolicyServer::Refused(const std::string& address) const { return CountOf("refused " + address); }

size_t PolicyServer::CountOf(const std::string& line) const {
  size_t count = 0;
  std::istringstream lines(process_.Out());
  for (std::string next; std::getline(lines, next);) count += next == line ? 1 : 0;
  return count;
}

}  // namespace sealift::scenario

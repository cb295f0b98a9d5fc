#include "tests/scenario/harness/scripted_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

#include "tests/scenario/harness/eventually.h"

namespace sealift::scenario {
namespace {

// Lines of its script: "host ADDRESS CERT KEY", then "WHAT HEX" for each step.
constexpr const char* kPython = R"(
import os, socket, ssl, struct, sys, threading

class Gone(Exception):
    pass

def hear(talk):
    line = bytearray()
    while not line.endswith(b'\n'):
        byte = talk.recv(1)
        if not byte:
            raise Gone()
        line += byte
    return bytes(line)

def serve(talk, taken):
    recipient = ''
    while True:
        line = hear(talk).rstrip()
        verb = line.split(b' ')[0].split(b':')[0].upper()
        if verb == b'RCPT':
            recipient = line[line.index(b'<') + 1:line.index(b'>')].decode()
        if verb == b'DATA':
            talk.sendall(b'354 go ahead\r\n')
            while hear(talk) != b'.\r\n':
                pass
            clear = '' if isinstance(talk, ssl.SSLSocket) else 'in clear '
            os.write(1, ('taken ' + clear + recipient + '\n').encode())  # a line at once, whoever else writes
            talk.sendall(taken)
            if b'421' in taken:
                return
            continue
        talk.sendall(b'221 bye\r\n' if verb == b'QUIT' else b'250 ok\r\n')
        if verb == b'QUIT':
            return

def serve_at_length(talk):
    talk.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while True:
        line = hear(talk).rstrip()
        verb = line.split(b' ')[0].upper()
        if verb == b'BDAT':
            left = int(line.split(b' ')[1])
            while left > 0:
                piece = talk.recv(min(left, 4096))
                if not piece:
                    raise Gone()
                left -= len(piece)
            os.write(1, ('taken in clear ' + recipient + '\n').encode())
        if verb == b'RCPT':
            recipient = line[line.index(b'<') + 1:line.index(b'>')].decode()
        if verb in (b'EHLO', b'QUIT'):
            talk.sendall(b'221 2.0.0 bye\r\n' if verb == b'QUIT' else b'250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n')
            if verb == b'QUIT':
                return
            continue
        code = {b'MAIL': b'2.1.0 ', b'RCPT': b'2.1.5 '}.get(verb, b'2.0.0 ')
        talk.sendall((b'250-' + code + b'x' * 480 + b'\r\n') * 7 + b'250 ' + code + b'x' * 480 + b'\r\n')

def converse(talk, tls, steps):
    try:
        for what, said in steps:
            if what == 'say':
                talk.sendall(said)
            elif what == 'hear':
                hear(talk)
            elif what == 'tls':
                talk = tls.wrap_socket(talk, server_side=True)
            elif what == 'serve':
                serve(talk, said)
            elif what == 'at_length':
                serve_at_length(talk)
            elif what == 'stall':
                threading.Event().wait()
            elif what == 'reset':
                talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    except (OSError, Gone):
        pass
    talk.close()

def listen(listener, tls, steps):
    while True:
        talk, _ = listener.accept()
        threading.Thread(target=converse, args=(talk, tls, steps), daemon=True).start()

hosts = []
for line in open(sys.argv[1]):
    words = line.split()
    if words[0] == 'host':
        hosts.append((words[1:], []))
    else:
        hosts[-1][1].append((words[0], bytes.fromhex(words[1] if len(words) > 1 else '')))
for (address, cert, key), steps in hosts:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind((address, int(sys.argv[2])))
    listener.listen(100)
    threading.Thread(target=listen, args=(listener, tls, steps), daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
)";

std::string ScriptOf(const std::vector<ScriptedServer::Host>& hosts) {
  std::string script;
  for (const ScriptedServer::Host& host : hosts) {
    script += fmt::format("host {} {} {}\n", host.address, host.certificate.cert_file, host.certificate.key_file);
    for (const Step& step : host.steps) {
      script += step.what + " ";
      for (const char c : step.bytes) script += fmt::format("{:02x}", static_cast<unsigned char>(c));
      script += "\n";
    }
  }
  return script;
}

}  // namespace

ScriptedServer::ScriptedServer(const TempDir& dir, const std::vector<Host>& hosts)
    : process_({Program("python3", "python3"), "-c", kPython, dir.Write("scripted.servers", ScriptOf(hosts)),
                fmt::format("{}", kPort)},
               dir.path() / "scripted.out", dir.path() / "scripted.err") {
  const bool ready = Eventually(std::chrono::seconds(30), [this] {
    return process_.Out().find("ready") != std::string::npos || !process_.running();
  });
  EXPECT_TRUE(ready && process_.running()) << "the scripted servers did not come up: " << process_.Err();
}

std::vector<std::string> ScriptedServer::Taken() const {
  std::vector<std::string> taken;
  std::istringstream lines(process_.Out());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("taken ")) taken.push_back(line.substr(6));
  }
  return taken;
}

}  // namespace sealift::scenario

#include "tests/scenario/harness/scripted_names.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

#include "tests/scenario/harness/eventually.h"

namespace sealift::scenario {
namespace {

// Lines of its script, names as hex: "reply NAME TYPE", then "packet CODE TRUNCATED WRONG_ID" for each packet, then
// "record OWNER TYPE TTL PREFERENCE VALUE" for each record of it.
constexpr const char* kPython = R"(
import os, socket, struct, sys, threading

TYPES = {'A': 1, 'CNAME': 5, 'MX': 15}
DATAGRAM = 1232

def wire(name):
    out = b''
    for label in name.split(b'.'):
        if label:
            out += bytes([len(label)]) + label
    return out + b'\0'

def data(type, preference, value):
    if type == 'A':
        return socket.inet_aton(value.decode())
    return (struct.pack('!H', preference) if type == 'MX' else b'') + wire(value)

replies = {}
for line in open(sys.argv[1]):
    words = line.split()
    if words[0] == 'reply':
        packets = []
        replies.setdefault((bytes.fromhex(words[1]).lower(), TYPES[words[2]]), []).append(packets)
    elif words[0] == 'packet':
        packets.append((int(words[1]), words[2] == '1', words[3] == '1', []))
    else:
        packets[-1][3].append((wire(bytes.fromhex(words[1])), TYPES[words[2]], int(words[3]),
                               data(words[2], int(words[4]), bytes.fromhex(words[5]))))
names = set(name for name, _ in replies)
lock = threading.Lock()

def answers(question, transport):
    id, flags = struct.unpack('!HH', question[:4])
    at, labels = 12, []
    while question[at]:
        labels.append(question[at + 1:at + 1 + question[at]])
        at += 1 + question[at]
    name = b'.'.join(labels).lower()
    type = struct.unpack('!H', question[at + 1:at + 3])[0]
    asked = question[12:at + 5]
    shown = next((word for word, number in TYPES.items() if number == type), str(type))
    os.write(1, ('asked %s %s %s\n' % (transport, name.decode('latin-1'), shown)).encode())
    with lock:
        told = replies.get((name, type))
        packets = [(0 if name in names else 3, False, False, [])]
        if told:
            packets = told.pop(0) if len(told) > 1 else told[0]
    for code, truncated, wrong_id, records in packets:
        body = b''.join(owner + struct.pack('!HHIH', kind, 1, ttl, len(value)) + value
                        for owner, kind, ttl, value in records)
        if transport == 'udp' and 12 + len(asked) + len(body) > DATAGRAM:
            truncated = True
        if truncated:
            records, body = [], b''
        yield struct.pack('!HHHHHH', id ^ 1 if wrong_id else id, 0x8180 | code | (0x0200 if truncated else 0), 1,
                          len(records), 0, 0) + asked + body

def datagrams(served):
    while True:
        question, sender = served.recvfrom(4096)
        for answer in answers(question, 'udp'):
            served.sendto(answer, sender)

def stream(talk):
    with talk, talk.makefile('rb') as questions:
        while True:
            length = questions.read(2)
            if len(length) < 2:
                return
            for answer in answers(questions.read(struct.unpack('!H', length)[0]), 'tcp'):
                talk.sendall(struct.pack('!H', len(answer)) + answer)

def streams(listener):
    while True:
        talk, _ = listener.accept()
        threading.Thread(target=stream, args=(talk,), daemon=True).start()

here = (sys.argv[2], int(sys.argv[3]))
served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
served.bind(here)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(here)
listener.listen(100)
threading.Thread(target=datagrams, args=(served,), daemon=True).start()
threading.Thread(target=streams, args=(listener,), daemon=True).start()
print('ready', flush=True)
threading.Event().wait()
)";

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string ScriptOf(const std::vector<ScriptedNames::Reply>& replies) {
  std::string script;
  for (const ScriptedNames::Reply& reply : replies) {
    script += fmt::format("reply {} {}\n", Hex(reply.name), reply.type);
    for (const ScriptedNames::Packet& packet : reply.packets) {
      script += fmt::format("packet {} {:d} {:d}\n", packet.code, packet.truncated, packet.wrong_id);
      for (const ScriptedNames::Record& record : packet.records) {
        const size_t space = record.type == "MX" ? record.value.find(' ') : std::string::npos;
        const std::string preference = space == std::string::npos ? "0" : record.value.substr(0, space);
        const std::string value = space == std::string::npos ? record.value : record.value.substr(space + 1);
        script +=
            fmt::format("record {} {} {} {} {}\n", Hex(record.owner), record.type, record.ttl, preference, Hex(value));
      }
    }
  }
  return script;
}

}  // namespace

ScriptedNames::ScriptedNames(const TempDir& dir, const std::string& address, const std::vector<Reply>& replies)
    : process_({Program("python3", "python3"), "-I", "-c", kPython, dir.Write("scripted.names", ScriptOf(replies)),
                address, fmt::format("{}", kPort)},
               dir.path() / "names.out", dir.path() / "names.err") {
  const bool ready = Eventually(std::chrono::seconds(30), [this] {
    return process_.Out().find("ready") != std::string::npos || !process_.running();
  });
  EXPECT_TRUE(ready && process_.running()) << "the scripted name server did not come up: " << process_.Err();
}

size_t ScriptedNames::Asked(std::string_view transport, std::string_view name, std::string_view type) const {
  size_t asked = 0;
  std::istringstream lines(process_.Out());
  for (std::string line; std::getline(lines, line);) {
    if (line == fmt::format("asked {} {} {}", transport, name, type)) ++asked;
  }
  return asked;
}

}  // namespace sealift::scenario

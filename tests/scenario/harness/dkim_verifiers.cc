#include "tests/scenario/harness/dkim_verifiers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

constexpr std::chrono::seconds kPatience{120};
constexpr size_t kFilesAtOnce = 250;  // on one command line

constexpr const char* kPython = R"(
import dkim, sys
keys = dict(line.rstrip('\n').split(' ', 1) for line in open(sys.argv[1]))
def dns(name, timeout=5):
    return keys[name.decode().rstrip('.')].encode()
for path in open(sys.argv[2]):
    message = dkim.DKIM(open(path.strip(), 'rb').read())
    count = sum(1 for name, value in message.headers if name.lower() == b'dkim-signature')
    words = []
    for index in range(count):
        try:
            words.append('pass' if message.verify(idx=index, dnsfunc=dns) else 'fail')
        except Exception as error:
            words.append(str(error).replace(' ', '_'))
    print(' '.join(words))
)";

constexpr const char* kPerl = R"(
use strict; use warnings; use Mail::DKIM::Verifier; use Net::DNS;
my %keys;
open(my $file, '<', $ARGV[0]) or die; while (<$file>) { chomp; my ($name, $text) = split / /, $_, 2; $keys{$name} = $text; }
{ no warnings 'redefine'; *Mail::DKIM::DNS::query = sub { my ($name) = @_; return unless exists $keys{$name};
  return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [$keys{$name} =~ /.{1,255}/g]); }; }
open(my $list, '<', $ARGV[1]) or die;
while (my $path = <$list>) {
  chomp $path; open(my $in, '<:raw', $path) or die; local $/;
  my $verifier = Mail::DKIM::Verifier->new(); $verifier->PRINT(<$in>); $verifier->CLOSE;
  print join(' ', map { $_->result } $verifier->signatures), "\n";
}
)";

// The files that a verifier reads, below a folder of its own.
struct Files {
  Files(const TempDir& dir, const std::string& name, const std::map<std::string, std::string>& keys,
        const std::vector<std::string>& messages) {
    dir.Folder(name, 0755);
    std::string lines, list;
    for (const auto& [key, text] : keys) lines += key + " " + text + "\n";
    keys_file = dir.Write(name + "/keys", lines, 0644);
    for (size_t i = 0; i < messages.size(); ++i) {
      paths.push_back(dir.Write(fmt::format("{}/{}", name, i), messages[i], 0644));
      list += paths.back() + "\n";
    }
    list_file = dir.Write(name + "/list", list, 0644);
  }

  std::string keys_file, list_file;
  std::vector<std::string> paths;
};

// A line a message, a word a signature.
Verdicts Words(const Ran& ran, size_t messages) {
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  Verdicts verdicts;
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string>& words = verdicts.emplace_back();
    std::istringstream of_line(line);
    for (std::string word; of_line >> word;) words.push_back(word);
  }
  EXPECT_EQ(verdicts.size(), messages) << ran.err;
  verdicts.resize(messages);
  return verdicts;
}

}  // namespace

SignedExample Rfc8463Example() {
  const auto signature = [](const char* algorithm, const char* selector, const char* value) {
    return fmt::format(
        "DKIM-Signature: v=1; a={}; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n "
        "q=dns/txt; s={}; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n "
        "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b={}\r\n",
        algorithm, selector, value);
  };
  return {.message = signature("ed25519-sha256", "brisbane",
                               "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n "
                               "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==") +
                     signature("rsa-sha256", "test",
                               "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n "
                               "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n "
                               "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=") +
                     "From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n"
                     "Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
                     "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
                     "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n\r\n",
          .keys = {{"brisbane._domainkey.football.example.com",
                    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
                   {"test._domainkey.football.example.com",
                    "v=DKIM1; k=rsa; "
                    "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
                    "J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
                    "Ip3G+2kryOTIKT+l/K4w3QIDAQAB"}}};
}

std::vector<std::string> SignaturesOf(const std::string& message) {
  std::vector<std::string> signatures;
  size_t at = 0;
  while (message.compare(at, 16, "DKIM-Signature: ") == 0) {
    size_t end = message.find("\r\n", at) + 2;
    while (message[end] == ' ' || message[end] == '\t') end = message.find("\r\n", end) + 2;
    signatures.push_back(message.substr(at, end - at));
    at = end;
  }
  return signatures;
}

// opendkim reports a message's first good signature only, so it gets one message for each.
Verdicts VerifyWithOpenDkim(const TempDir& dir, const std::map<std::string, std::string>& keys,
                            const std::vector<std::string>& messages) {
  std::vector<std::string> each;
  Verdicts verdicts(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::vector<std::string> signatures = SignaturesOf(messages[i]);
    size_t size = 0;
    for (const std::string& signature : signatures) size += signature.size();
    for (const std::string& signature : signatures) each.push_back(signature + messages[i].substr(size));
    verdicts[i].resize(signatures.size(), "silent");
  }
  const Files files(dir, "opendkim", keys, each);
  const std::string config = dir.Write("opendkim/conf", fmt::format("TestPublicKeys {}\nSyslog no\n", files.keys_file));
  std::map<std::string, std::string> said;  // by path
  for (size_t begin = 0; begin < files.paths.size(); begin += kFilesAtOnce) {
    std::string list;
    for (size_t i = begin; i < std::min(begin + kFilesAtOnce, files.paths.size()); ++i) {
      list += (list.empty() ? "" : ",") + files.paths[i];
    }
    const Ran ran = RunCommand({Program("opendkim", "opendkim"), "-x", config, "-t", list, "-v"}, "", kPatience);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    std::istringstream lines(ran.out + ran.err);
    for (std::string line; std::getline(lines, line);) {
      const size_t at = line.find(": verification (");
      if (at == std::string::npos) continue;
      const std::string path = line.substr(line.find('/'), at - line.find('/'));
      said[path] = line.ends_with(") succeeded") ? "pass" : line.substr(at + 2);
    }
  }
  size_t next = 0;
  for (std::vector<std::string>& of_message : verdicts) {
    for (std::string& word : of_message) {
      const std::string& path = files.paths[next++];
      if (said.contains(path)) word = said.at(path);
    }
  }
  return verdicts;
}

Verdicts VerifyWithDkimPy(const TempDir& dir, const std::map<std::string, std::string>& keys,
                          const std::vector<std::string>& messages) {
  const Files files(dir, "dkimpy", keys, messages);
  // Debian's own interpreter: it is the one that python3-dkim is for.
  return Words(RunCommand({"/usr/bin/python3", "-c", kPython, files.keys_file, files.list_file}, "", kPatience),
               messages.size());
}

Verdicts VerifyWithMailDkim(const TempDir& dir, const std::map<std::string, std::string>& keys,
                            const std::vector<std::string>& messages) {
  const Files files(dir, "maildkim", keys, messages);
  return Words(
      RunCommand({Program("perl", "libmail-dkim-perl"), "-e", kPerl, files.keys_file, files.list_file}, "", kPatience),
      messages.size());
}

}  // namespace sealift::scenario

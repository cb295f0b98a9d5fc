#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/process.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {

// Debian's Postfix as the receiver: a configuration, queue and mailboxes of its own below the test's folder, STARTTLS,
// one loopback address. The system's Postfix is neither used nor touched. Starting one takes root, or sudo without a
// password.
//
// Errors: a start that fails is a failure of the test, with Postfix's own log.
class Postfix {
 public:
  static constexpr int kPort = 2525;

  struct Options {
    std::string address;
    std::string hostname;              // in its greeting
    std::vector<std::string> domains;  // each one's mail goes to one Maildir
    CertificateAuthority::Pair certificate;
    std::string extra;  // further lines for main.cf
  };

  Postfix(const TempDir& dir, const Options& options);
  ~Postfix();
  Postfix(const Postfix&) = delete;
  Postfix& operator=(const Postfix&) = delete;

  // A message as it lies in a mailbox: the headers that Postfix added, and what came over the wire (lines end in CRLF).
  struct Mail {
    std::string delivered_to, return_path, received;
    std::string content;
  };

  // Everything in the mailboxes, by recipient. Two messages to one recipient are a failure of the test.
  std::map<std::string, Mail> Mailboxes() const;
  size_t mails() const;
  std::string Log() const;

 private:
  std::vector<std::string> Command(const std::string& verb) const;

  std::string config_, mail_, log_;
  std::vector<std::string> domains_;
  std::unique_ptr<Process> process_;
};

}  // namespace sealift::scenario

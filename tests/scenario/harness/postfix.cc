#include "tests/scenario/harness/postfix.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/loopback.h"
#include "tests/scenario/harness/process.h"

namespace sealift::scenario {
namespace {

constexpr uid_t kNobody = 65534;

// Debian's master.cf without chroot and with the one listener.
constexpr const char* kMaster = R"(
{}:{} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
)";

constexpr const char* kMain = R"(
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = {hostname}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = texthash:{dir}/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtpd_tls_security_level = may
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
{extra}
)";

// Takes the header field that starts at `at` (with its folded lines) out of `text`; `at` stays.
std::string TakeField(std::string& text, size_t at) {
  size_t end = text.find('\n', at);
  while (end != std::string::npos && end + 1 < text.size() && (text[end + 1] == ' ' || text[end + 1] == '\t')) {
    end = text.find('\n', end + 1);
  }
  if (end == std::string::npos) end = text.size() - 1;
  std::string field = text.substr(at, end - at);
  text.erase(at, end + 1 - at);
  return field;
}

std::string ValueOf(const std::string& field) {
  const size_t colon = field.find(": ");
  return colon == std::string::npos ? "" : field.substr(colon + 2);
}

}  // namespace

Postfix::Postfix(const TempDir& dir, const Options& options)
    : config_(dir.Folder("postfix", 0755)),
      mail_(config_ + "/mail"),
      log_(config_ + "/log/mail.log"),
      domains_(options.domains) {
  Program("postfix", "postfix");
  Program("smtp-sink", "postfix");
  const uid_t uid = getuid() == 0 ? kNobody : getuid();
  const gid_t gid = getuid() == 0 ? kNobody : getgid();
  for (const char* folder : {"postfix/queue", "postfix/data", "postfix/log", "postfix/mail"}) dir.Folder(folder, 0755);
  std::string mailboxes, domains;
  for (const std::string& domain : options.domains) {
    mailboxes += fmt::format("@{0} {0}/\n", domain);
    domains += " " + domain;
  }
  dir.Write("postfix/mailboxes", mailboxes, 0644);
  dir.Write("postfix/main.cf",
            fmt::format(fmt::runtime(kMain), fmt::arg("dir", config_), fmt::arg("hostname", options.hostname),
                        fmt::arg("domains", domains), fmt::arg("uid", uid), fmt::arg("gid", gid),
                        fmt::arg("cert", options.certificate.cert_file), fmt::arg("key", options.certificate.key_file),
                        fmt::arg("extra", options.extra)),
            0644);
  dir.Write("postfix/master.cf", fmt::format(fmt::runtime(kMaster), options.address, kPort), 0644);
  if (getuid() == 0) EXPECT_EQ(chown(mail_.c_str(), uid, gid), 0);
  const Ran own = RunCommand([&] {
    std::vector<std::string> command = {"chown", "postfix", config_ + "/data"};
    if (getuid() != 0) command.insert(command.begin(), {"sudo", "-n"});
    return command;
  }());
  EXPECT_EQ(own.exit_code, 0) << own.err;
  // In the foreground, so that it ends with the test even when that is killed.
  process_ = std::make_unique<Process>(Command("start-fg"), config_ + "/out", config_ + "/err");
  EXPECT_TRUE(Eventually(std::chrono::seconds(30), [&] { return Accepts(options.address, kPort); }))
      << "Postfix did not start (it takes root, or sudo without a password): " << process_->Err() << Log();
}

Postfix::~Postfix() {
  RunCommand(Command("stop"));
  EXPECT_TRUE(process_->WaitFor(std::chrono::seconds(10)).has_value()) << "Postfix did not stop: " << Log();
  if (getuid() != 0) RunCommand({"sudo", "-n", "rm", "-rf", config_});
}

std::vector<std::string> Postfix::Command(const std::string& verb) const {
  std::vector<std::string> command = {"postfix", "-c", config_, verb};
  if (getuid() != 0) command.insert(command.begin(), {"sudo", "-n"});
  return command;
}

std::map<std::string, Postfix::Mail> Postfix::Mailboxes() const {
  std::map<std::string, Mail> mails;
  for (const std::string& domain : domains_) {
    const std::filesystem::path folder = std::filesystem::path(mail_) / domain / "new";
    if (!exists(folder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::string text = ReadFile(entry.path());
      Mail mail;
      for (;;) {  // Postfix puts its own in front
        if (text.starts_with("Return-Path: ")) {
          mail.return_path = ValueOf(TakeField(text, 0));
        } else if (text.starts_with("Delivered-To: ")) {
          mail.delivered_to = ValueOf(TakeField(text, 0));
        } else if (text.starts_with("X-Original-To: ")) {
          TakeField(text, 0);
        } else if (text.starts_with("Received: ") && mail.received.empty()) {
          mail.received = TakeField(text, 0);
        } else {
          break;
        }
      }
      for (const char c : text) {
        if (c == '\n') mail.content += '\r';
        mail.content += c;
      }
      const std::string recipient = mail.delivered_to;
      EXPECT_TRUE(mails.emplace(recipient, std::move(mail)).second) << "delivered twice: " << recipient;
    }
  }
  return mails;
}

size_t Postfix::mails() const {
  size_t count = 0;
  for (const std::string& domain : domains_) {
    const std::filesystem::path folder = std::filesystem::path(mail_) / domain / "new";
    std::error_code ignored;
    for (auto it = std::filesystem::directory_iterator(folder, ignored); it != std::filesystem::directory_iterator();
         ++it) {
      ++count;
    }
  }
  return count;
}

std::string Postfix::Log() const { return ReadFile(log_); }

}  // namespace sealift::scenario

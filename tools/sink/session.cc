#include "tools/sink/session.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "tools/sink/mail_parameters.h"

namespace sealift::tools::sink {
namespace {

// RFC 5321 4.5.3.1.4, and what the extensions of MAIL and RCPT may add (RFC 1870, 6152, 3461).
constexpr size_t kCommandBytesMax = 512, kMailCommandBytesMax = 512 + 26 + 17 + 600;
constexpr size_t kRecipientsMax = 1000;  // 4.5.3.1.8 asks for at least 100

bool HasEightBit(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 127) return true;
  }
  return false;
}

bool EndsGroup(Verb verb) {  // RFC 2920 3.1
  switch (verb) {
    case Verb::kEhlo:
    case Verb::kHelo:
    case Verb::kStartTls:
    case Verb::kData:
    case Verb::kNoop:
    case Verb::kVrfy:
    case Verb::kQuit:
      return true;
    default:
      return false;
  }
}

}  // namespace

Session::Session(const Server& server, CountCell& counts, Receiver& receiver, std::string source)
    : server_(server), counts_(counts), receiver_(receiver), source_(std::move(source)) {}

Session::~Session() { Leave(); }

void Session::Leave() {
  if (!std::exchange(left_, true)) server_.judge.Disconnect(source_);
}

Session::Step Session::Open(absl::Time now) {
  counts_.Add(Count::connections);
  left_ = false;
  if (const Judge::Verdict verdict = server_.judge.Connect(source_, now); verdict.action != nullptr) {
    counts_.Add(verdict.why);
    return Perform(*verdict.action);
  }
  if (Step step; Scripted(Phase::kGreeting, {}, now, &step)) return step;
  return AfterPause(Say(server_.greeting));
}

Session::Step Session::AfterPause(Step step) {
  const Action* pause = std::exchange(pause_, nullptr);
  if (pause == nullptr || step.next != Next::kRead) return step;
  return {.next = Next::kAct, .before = pause_at_, .action = pause};
}

Session::Step Session::Feed(std::span<const char> input, absl::Time now) {
  size_t taken = 0;
  while (true) {
    const std::span<const char> rest = input.subspan(taken);
    Step step;
    switch (state_) {
      case State::kCommand: {
        const char* newline = rest.empty() ? nullptr : static_cast<const char*>(memchr(rest.data(), '\n', rest.size()));
        const size_t size = newline != nullptr ? static_cast<size_t>(newline - rest.data()) + 1 : 0;
        if (newline == nullptr || size > kLineBytesMax) {
          if (newline == nullptr && rest.size() < kLineBytesMax) return {.taken = taken};
          state_ = State::kLongLine;
          continue;
        }
        std::string_view line(rest.data(), size - 1);
        const bool more = rest.size() > size;
        step = Command(line, more, now);
        taken += size;
        break;
      }
      case State::kLongLine: {
        const char* newline = rest.empty() ? nullptr : static_cast<const char*>(memchr(rest.data(), '\n', rest.size()));
        if (newline == nullptr) return {.taken = input.size()};
        taken += static_cast<size_t>(newline - rest.data()) + 1;
        state_ = State::kCommand;
        counts_.Add(Count::long_command);
        step = Say("500 5.5.2 Line too long\r\n");
        break;
      }
      case State::kBody:
        taken += scanner_.Feed(rest);
        if (!scanner_.done()) return {.taken = taken};
        step = EndMessage(now);
        break;
      case State::kChunk: {
        const size_t size = static_cast<size_t>(std::min<uint64_t>(chunk_left_, rest.size()));
        if (!drop_chunk_) scanner_.Feed(rest.first(size));
        taken += size;
        chunk_left_ -= size;
        if (chunk_left_ > 0) return {.taken = taken};
        step = EndChunk(now);
        break;
      }
    }
    step = AfterPause(step);
    if (step.next != Next::kRead) {
      step.taken = taken;
      return step;
    }
  }
}

Session::Step Session::Command(std::string_view line, bool more, absl::Time now) {
  if (!line.ends_with('\r')) {
    counts_.Add(Count::bare_lf);
  } else {
    line.remove_suffix(1);
  }
  if (line.find('\r') != std::string_view::npos) counts_.Add(Count::bare_cr);
  const SmtpCommand command = ReadCommand(line);
  const bool has_path = command.verb == Verb::kMail || command.verb == Verb::kRcpt;
  if (line.size() + 2 > (has_path ? kMailCommandBytesMax : kCommandBytesMax)) counts_.Add(Count::long_command);
  if (HasEightBit(line) && !has_path) counts_.Add(Count::eight_bit);  // an address may be announced by SMTPUTF8
  if (more && command.verb != Verb::kStartTls) {
    if (EndsGroup(command.verb)) {
      counts_.Add(Count::pipelined_past);
    } else if (!server_.provider.pipelining && command.verb != Verb::kBdat) {
      counts_.Add(Count::pipelined_unoffered);
    }
  }
  switch (command.verb) {
    case Verb::kEhlo:
    case Verb::kHelo:
      return Ehlo(command, now);
    case Verb::kStartTls:
      return StartTls(more, now);
    case Verb::kMail:
      return Mail(command.argument, now);
    case Verb::kRcpt:
      return Rcpt(command.argument, now);
    case Verb::kData:
      return Data(command.argument, now);
    case Verb::kBdat:
      return Bdat(command.argument);
    case Verb::kRset: {
      if (Step step; Scripted(Phase::kRset, {}, now, &step)) return step;
      ResetTransaction();
      return Say("250 2.0.0 Ok\r\n");
    }
    case Verb::kNoop:
      return Say("250 2.0.0 Ok\r\n");
    case Verb::kVrfy:
      return Say("252 2.5.2 Cannot verify, will accept\r\n");
    case Verb::kQuit:
      return Quit(now);
    case Verb::kUnknown:
      break;
  }
  counts_.Add(Count::bad_syntax);
  return Say("500 5.5.2 Command unrecognized\r\n");
}

Session::Step Session::Ehlo(const SmtpCommand& command, absl::Time now) {
  if (!IsEhloName(command.argument)) counts_.Add(Count::ehlo_not_fqdn);
  ResetTransaction();
  if (Step step; Scripted(Phase::kEhlo, {}, now, &step)) {
    greeted_ = scripted_positive_;
    return step;
  }
  greeted_ = true;
  if (command.verb == Verb::kHelo) return Say("250 " + server_.host.name + "\r\n");
  return Say(tls_ ? server_.ehlo_tls : server_.ehlo_clear);
}

Session::Step Session::StartTls(bool more, absl::Time now) {
  if (tls_ || server_.provider.tls == TlsMode::kOff) {
    counts_.Add(Count::bad_sequence);
    return Say("503 5.5.1 STARTTLS is not offered\r\n");
  }
  if (more) counts_.Add(Count::text_after_starttls);
  if (Step step; Scripted(Phase::kStartTls, {}, now, &step)) return step;
  if (server_.provider.tls == TlsMode::kRefused) return Say("454 4.7.0 TLS not available due to temporary reason\r\n");
  Say("220 2.0.0 Ready to start TLS\r\n");
  if (server_.provider.tls == TlsMode::kHang) return {.next = Next::kHang};
  if (server_.provider.tls == TlsMode::kBroken) {
    out_ += "this is not a TLS record, whatever was promised\r\n";
    return {.next = Next::kClose};
  }
  return {.next = Next::kStartTls};
}

void Session::TlsStarted(bool resumed) {
  counts_.Add(Count::tls_handshakes);
  if (resumed) counts_.Add(Count::tls_resumed);
  tls_ = true;
  greeted_ = false;  // RFC 3207 4.2: what was known of the client is forgotten
  ResetTransaction();
}

void Session::TlsFailed() { counts_.Add(Count::tls_failures); }

Session::Step Session::Mail(std::string_view argument, absl::Time now) {
  if (!tls_) counts_.Add(Count::plaintext_mail);
  mail_tried_ = true;
  if (!greeted_ || mail_) {
    counts_.Add(Count::bad_sequence);
    return Say(mail_ ? "503 5.5.1 Nested MAIL command\r\n" : "503 5.5.1 Send EHLO first\r\n");
  }
  if (!tls_ && server_.provider.tls == TlsMode::kRequired)
    return Say("530 5.7.0 Must issue a STARTTLS command first\r\n");
  const std::optional<SmtpPath> path = ReadPath(argument, "FROM:");
  if (!path) {
    counts_.Add(Count::bad_syntax);
    return Say("501 5.1.7 Bad sender address syntax\r\n");
  }
  const MailParameters parameters = ReadMailParameters(path->parameters, server_.provider, tls_);
  if (!parameters.offered) {
    counts_.Add(Count::unoffered_parameter);
    return Say("555 5.5.4 Parameter not recognized\r\n");
  }
  if (parameters.size_bytes > server_.provider.size_bytes) return Say("552 5.3.4 Message size exceeds fixed limit\r\n");
  if (HasEightBit(path->mailbox) && !parameters.smtp_utf8) {
    counts_.Add(Count::eight_bit);
    return Say("550 5.6.7 The sender's address needs SMTPUTF8\r\n");
  }
  eight_bit_ = parameters.eight_bit;
  smtp_utf8_ = parameters.smtp_utf8;
  if (const Judge::Verdict verdict = server_.judge.Mail(source_, messages_, now); verdict.action != nullptr) {
    counts_.Add(verdict.why);
    return Perform(*verdict.action);
  }
  if (Step step; Scripted(Phase::kMail, path->mailbox, now, &step)) {
    mail_ = scripted_positive_;
    return step;
  }
  mail_ = true;
  ++messages_;
  counts_.Add(Count::transactions);
  if (parameters.require_tls) counts_.Add(Count::require_tls);
  return Say("250 2.1.0 Ok\r\n");
}

Session::Step Session::Rcpt(std::string_view argument, absl::Time now) {
  if (!mail_) {
    if (!mail_tried_) counts_.Add(Count::bad_sequence);  // behind a refused MAIL it was pipelined, and is right
    return Say("503 5.5.1 Need MAIL command\r\n");
  }
  std::optional<SmtpPath> path = ReadPath(argument, "TO:");
  if (!path || path->mailbox.empty()) {
    counts_.Add(Count::bad_syntax);
    return Say("501 5.1.3 Bad recipient address syntax\r\n");
  }
  if (HasEightBit(path->mailbox) && !smtp_utf8_) {
    counts_.Add(Count::eight_bit);
    return Say("553 5.6.7 The recipient's address needs SMTPUTF8\r\n");
  }
  if (!server_.Serves(path->domain)) {
    counts_.Add(Count::misrouted);
    return Say("550 5.7.1 Relaying denied\r\n");
  }
  if (mailboxes_.size() >= kRecipientsMax) return Say("452 4.5.3 Too many recipients\r\n");
  if (Step step; Scripted(Phase::kRcpt, path->mailbox, now, &step)) {
    if (scripted_positive_) mailboxes_.push_back(std::move(path->mailbox));
    return step;
  }
  if (server_.judge.Greylists(path->mailbox, now)) {
    counts_.Add(Count::greylisted);
    return Say("450 4.2.0 Greylisted, try again later\r\n");
  }
  counts_.Add(Count::recipients);
  mailboxes_.push_back(std::move(path->mailbox));
  return Say("250 2.1.5 Ok\r\n");
}

Session::Step Session::Data(std::string_view argument, absl::Time now) {
  if (!argument.empty()) {
    counts_.Add(Count::bad_syntax);
    return Say("501 5.5.4 DATA takes no argument\r\n");
  }
  if (chunking_) {
    counts_.Add(Count::bad_sequence);
    return Say("503 5.5.1 DATA after BDAT\r\n");
  }
  Step step;
  const bool scripted =
      Scripted(Phase::kData, mailboxes_.empty() ? std::string_view() : mailboxes_.front(), now, &step);
  if (scripted ? !scripted_positive_ : mailboxes_.empty()) {
    if (scripted) return step;
    if (!mail_tried_) counts_.Add(Count::bad_sequence);
    return Say(mail_ ? "554 5.5.1 No valid recipients\r\n" : "503 5.5.1 Need MAIL command\r\n");
  }
  state_ = State::kBody;
  scanner_.Start(receiver_.keep(), /*dots=*/true, server_.provider.size_bytes);
  return scripted ? step : Say("354 End data with <CR><LF>.<CR><LF>\r\n");
}

Session::Step Session::Bdat(std::string_view argument) {
  uint64_t size = 0;
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), size);
  const std::string_view rest(end, static_cast<size_t>(argument.data() + argument.size() - end));
  last_chunk_ = EqualsUpper(rest, " LAST");
  if (error != std::errc() || (!rest.empty() && !last_chunk_)) {
    counts_.Add(Count::bad_syntax);  // where the chunk ends is unknown, and with it where the next command begins
    Say("501 5.5.4 Bad BDAT argument\r\n");
    return {.next = Next::kClose};
  }
  if (!server_.provider.chunking) counts_.Add(Count::unoffered_parameter);
  if (!mail_tried_) counts_.Add(Count::bad_sequence);
  drop_chunk_ = mailboxes_.empty() || !server_.provider.chunking;
  if (!drop_chunk_ && !chunking_) scanner_.Start(receiver_.keep(), /*dots=*/false, server_.provider.size_bytes);
  chunking_ = true;
  chunk_left_ = size;
  state_ = State::kChunk;
  return {};
}

Session::Step Session::EndChunk(absl::Time now) {
  state_ = State::kCommand;
  if (drop_chunk_) {
    const bool open = mail_;
    if (last_chunk_) ResetTransaction();
    return Say(open ? "554 5.5.1 No valid recipients\r\n" : "503 5.5.1 Need MAIL command\r\n");
  }
  if (!last_chunk_) return Say("250 2.0.0 Chunk received\r\n");
  return EndMessage(now);
}

Session::Step Session::EndMessage(absl::Time now) {
  state_ = State::kCommand;
  CountFlaws();
  Step step;
  const bool scripted =
      Scripted(Phase::kBody, mailboxes_.empty() ? std::string_view() : mailboxes_.front(), now, &step);
  if (scanner_.bytes() > server_.provider.size_bytes) {
    counts_.Add(Count::oversize);
    if (!scripted) step = Say("552 5.3.4 Message size exceeds fixed limit\r\n");
  } else if ((!scripted || scripted_positive_) && !mailboxes_.empty()) {
    counts_.Add(Count::messages);
    counts_.Add(Count::bytes, scanner_.bytes());
    receiver_.Receive({.time = now,
                       .server = &server_,
                       .mailboxes = mailboxes_,
                       .kept = scanner_.kept(),
                       .bytes = scanner_.bytes(),
                       .tls = tls_,
                       .source = source_});
    if (!scripted) step = Say("250 2.0.0 Ok: delivered\r\n");
  } else if (!scripted) {
    step = Say("554 5.5.1 No valid recipients\r\n");
  }
  ResetTransaction();
  return step;
}

Session::Step Session::Quit(absl::Time now) {
  Leave();  // before the client knows that it may connect again
  if (Step step; Scripted(Phase::kQuit, {}, now, &step)) return step;
  Say("221 2.0.0 Bye\r\n");
  return {.next = Next::kClose};
}

bool Session::Scripted(Phase phase, std::string_view mailbox, absl::Time now, Step* step) {
  const Rule* rule = server_.judge.Match(phase, mailbox, tls_, now);
  if (rule != nullptr && rule->action.bytes.empty() && rule->action.then == Then::kContinue) {
    pause_ = &rule->action;
    pause_at_ = out_.size();
    rule = server_.judge.Match(phase, mailbox, tls_, now, rule->id);
  }
  if (rule == nullptr) return false;
  const Action& action = rule->action;
  counts_.Add(Count::scripted_replies);
  scripted_positive_ = action.positive();
  *step = Perform(action);
  return true;
}

Session::Step Session::Perform(const Action& action) {
  if (action.code >= 400) counts_.Add(action.code < 500 ? Count::replies_4xx : Count::replies_5xx);
  if (!action.plain()) return {.next = Next::kAct, .before = out_.size(), .action = &action};
  out_ += action.bytes;
  switch (action.then) {
    case Then::kContinue:
      return {};
    case Then::kClose:
      return {.next = Next::kClose};
    case Then::kReset:
      return {.next = Next::kReset};
    case Then::kHang:
      return {.next = Next::kHang};
  }
  return {};
}

Session::Step Session::Say(std::string_view reply) {
  if (reply.front() >= '4') counts_.Add(reply.front() == '4' ? Count::replies_4xx : Count::replies_5xx);
  out_ += reply;
  return {};
}

void Session::CountFlaws() {
  const BodyScanner::Flaws flaws = scanner_.flaws();
  counts_.Add(Count::bare_lf, flaws.bare_lf);
  counts_.Add(Count::bare_cr, flaws.bare_cr);
  counts_.Add(Count::long_line, flaws.long_lines);
  counts_.Add(Count::unstuffed_dot, flaws.unstuffed_dots);
  if (flaws.eight_bit && !eight_bit_) counts_.Add(Count::eight_bit);
}

void Session::ResetTransaction() {
  mail_ = mail_tried_ = false;
  chunking_ = last_chunk_ = drop_chunk_ = false;
  eight_bit_ = smtp_utf8_ = false;
  mailboxes_.clear();
}

}  // namespace sealift::tools::sink

#include "tools/sink/script.h"

namespace sealift::tools::sink {

std::string_view ToString(Phase value) {
  switch (value) {
    case Phase::kGreeting:
      return "greeting";
    case Phase::kEhlo:
      return "ehlo";
    case Phase::kStartTls:
      return "starttls";
    case Phase::kMail:
      return "mail";
    case Phase::kRcpt:
      return "rcpt";
    case Phase::kData:
      return "data";
    case Phase::kBody:
      return "body";
    case Phase::kRset:
      return "rset";
    case Phase::kQuit:
      return "quit";
  }
  return "";
}

std::string_view ToString(Then value) {
  switch (value) {
    case Then::kContinue:
      return "continue";
    case Then::kClose:
      return "close";
    case Then::kReset:
      return "reset";
    case Then::kHang:
      return "hang";
  }
  return "";
}

std::string_view ToString(Limit::What value) {
  switch (value) {
    case Limit::What::kMessages:
      return "messages";
    case Limit::What::kConnects:
      return "connects";
    case Limit::What::kConnections:
      return "connections";
    case Limit::What::kMessagesPerConnection:
      return "messages_per_connection";
  }
  return "";
}

std::string_view ToString(TlsMode value) {
  switch (value) {
    case TlsMode::kOn:
      return "on";
    case TlsMode::kOff:
      return "off";
    case TlsMode::kRequired:
      return "required";
    case TlsMode::kRefused:
      return "refused";
    case TlsMode::kBroken:
      return "broken";
    case TlsMode::kHang:
      return "hang";
  }
  return "";
}

std::string_view ToString(ConnectMode value) {
  switch (value) {
    case ConnectMode::kAccept:
      return "accept";
    case ConnectMode::kRefuse:
      return "refuse";
    case ConnectMode::kHang:
      return "hang";
    case ConnectMode::kClose:
      return "close";
  }
  return "";
}

std::string_view ToString(DnsMode value) {
  switch (value) {
    case DnsMode::kMx:
      return "mx";
    case DnsMode::kAddress:
      return "address";
    case DnsMode::kNullMx:
      return "null-mx";
    case DnsMode::kNxDomain:
      return "nxdomain";
    case DnsMode::kNoData:
      return "nodata";
    case DnsMode::kServFail:
      return "servfail";
    case DnsMode::kRefused:
      return "refused";
    case DnsMode::kSilent:
      return "silent";
    case DnsMode::kLoop:
      return "loop";
  }
  return "";
}

}  // namespace sealift::tools::sink

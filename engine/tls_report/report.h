#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "engine/tls_report/tally.h"

namespace sealift::engine {

// TlsReport is what one policy domain is told of a time (RFC 8460 4). Pure; the same counts make the same bytes.
struct TlsReport {
  std::string organization;  // who reports
  std::string contact;       // a mail address; may be empty
  std::string submitter;     // the domain that sends it: this node's name
  std::string domain;        // whose mail it is about
  absl::Time start, end;     // both inclusive, whole seconds
  TlsTally::Domain counts;

  // One for each domain and time of a node.
  std::string Id() const;
  // 5.1: SUBMITTER!DOMAIN!BEGIN!END.json.gz, without what no file name may have.
  std::string FileName() const;
  std::string ToJson() const;
};

// RFC 1952, with no name and no time in it.
std::string Gzip(std::string_view bytes);
// What Gzip made, for who shows it; empty where it is none, or has more than `bytes_max`.
std::string Gunzip(std::string_view bytes, size_t bytes_max);

}  // namespace sealift::engine

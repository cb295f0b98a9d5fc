#include "tools/sink/dns_answer.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace sealift::tools::sink {
namespace {

// RFC 1035 3.2.2 and 4.1.1, RFC 3596, RFC 6891.
constexpr uint16_t kTypeA = 1, kTypeCname = 5, kTypeSoa = 6, kTypeMx = 15, kTypeTxt = 16, kTypeAaaa = 28, kTypeOpt = 41,
                   kTypeAny = 255;
constexpr uint16_t kClassIn = 1;
constexpr uint8_t kRcodeFormErr = 1, kRcodeServFail = 2, kRcodeNxDomain = 3, kRcodeNotImp = 4, kRcodeRefused = 5;
constexpr size_t kUdpBytes = 512, kEdnsBytesMax = 1232, kTcpBytesMax = 65535;
constexpr size_t kHeaderBytes = 12, kStringBytesMax = 255;
constexpr uint16_t kQuestionName = 0xC000 | kHeaderBytes;  // a compression pointer to the question

struct Query {
  uint16_t id = 0, flags = 0, type = 0, record_class = 0;
  std::string name;         // lower case, no trailing dot
  size_t question_end = 0;  // bytes, header included
  std::optional<size_t> edns_bytes;
};

uint16_t Get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// The name at `*at`, which moves behind it; false when it is cut, compressed (a query has no reason to) or too long.
bool ReadName(std::span<const uint8_t> bytes, size_t* at, std::string* name) {
  while (true) {
    if (*at >= bytes.size()) return false;
    const size_t label = bytes[(*at)++];
    if (label == 0) return true;
    if (label > 63 || *at + label > bytes.size() || name->size() + label + 1 > 254) return false;
    if (!name->empty()) name->push_back('.');
    for (size_t i = 0; i < label; ++i) {
      const char c = static_cast<char>(bytes[*at + i]);
      name->push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    }
    *at += label;
  }
}

enum class Parsed : uint8_t { kNoQuery, kMalformed, kQuery };

Parsed ReadQuery(std::span<const uint8_t> bytes, Query* query) {
  if (bytes.size() < kHeaderBytes) return Parsed::kNoQuery;
  query->id = Get16(bytes, 0);
  query->flags = Get16(bytes, 2);
  if (query->flags & 0x8000) return Parsed::kNoQuery;  // a response; to answer it could loop
  query->question_end = kHeaderBytes;
  if (Get16(bytes, 4) != 1) return Parsed::kMalformed;
  size_t at = kHeaderBytes;
  if (!ReadName(bytes, &at, &query->name) || at + 4 > bytes.size()) return Parsed::kMalformed;
  query->type = Get16(bytes, at);
  query->record_class = Get16(bytes, at + 2);
  at += 4;
  query->question_end = at;
  // EDNS0: an OPT record, root name, among the additional ones; the sections between are empty in a query.
  if (Get16(bytes, 6) == 0 && Get16(bytes, 8) == 0 && Get16(bytes, 10) > 0 && at + 11 <= bytes.size() &&
      bytes[at] == 0 && Get16(bytes, at + 1) == kTypeOpt) {
    query->edns_bytes = std::clamp<size_t>(Get16(bytes, at + 3), kUdpBytes, kEdnsBytesMax);
  }
  return Parsed::kQuery;
}

// Builds one answer; sections in the order in which they are appended.
class Answer {
 public:
  Answer(std::span<const uint8_t> query_bytes, const Query& query, std::string* out) : out_(out), query_(query) {
    out_->assign(reinterpret_cast<const char*>(query_bytes.data()), query.question_end);
    Set16(2, static_cast<uint16_t>(0x8400 | (query.flags & 0x7900)));  // response, authoritative; opcode and RD kept
    Set16(4, query.question_end > kHeaderBytes ? 1 : 0);
    Set16(6, 0);
    Set16(8, 0);
    Set16(10, 0);
  }

  void SetAuthenticated() { (*out_)[3] = static_cast<char>((*out_)[3] | 0x20); }
  void SetRcode(uint8_t rcode) { (*out_)[3] = static_cast<char>(((*out_)[3] & 0xF0) | rcode); }

  void Address(uint16_t type, const std::string& bytes, uint32_t ttl) {
    Begin(6, type, ttl);
    Put16(static_cast<uint16_t>(bytes.size()));
    out_->append(bytes);
  }
  void Mx(uint16_t preference, const std::string& host, uint32_t ttl) {
    Begin(6, kTypeMx, ttl);
    Sized([&] {
      Put16(preference);
      PutName(host);
    });
  }
  // In as many character-strings as it needs: RFC 1035 3.3.14.
  void Txt(std::string_view text, uint32_t ttl) {
    Begin(6, kTypeTxt, ttl);
    Sized([&] {
      do {
        const std::string_view part = text.substr(0, kStringBytesMax);
        out_->push_back(static_cast<char>(part.size()));
        out_->append(part);
        text.remove_prefix(part.size());
      } while (!text.empty());
    });
  }
  void CnameToItself(uint32_t ttl) {
    Begin(6, kTypeCname, ttl);
    Sized([&] { Put16(kQuestionName); });
  }
  // Says for how long a negative answer may be kept.
  void Soa(uint32_t ttl) {
    Begin(8, kTypeSoa, ttl);
    Sized([&] {
      PutName("ns.sink.test");
      PutName("hostmaster.sink.test");
      for (const uint32_t number : {1u, 3600u, 600u, 86400u, ttl}) Put32(number);
    });
  }
  void Edns() {
    if (!query_.edns_bytes) return;
    Count(10);
    out_->push_back('\0');
    Put16(kTypeOpt);
    Put16(kEdnsBytesMax);
    Put32(0);
    Put16(0);
  }
  // Cut to the question, TC set, when it does not fit.
  void Fit(size_t bytes_max) {
    if (out_->size() <= bytes_max) return;
    out_->resize(query_.question_end);
    (*out_)[2] = static_cast<char>((*out_)[2] | 0x02);
    Set16(6, 0);
    Set16(8, 0);
    Set16(10, 0);
    Edns();
  }

 private:
  void Set16(size_t at, uint16_t value) {
    (*out_)[at] = static_cast<char>(value >> 8);
    (*out_)[at + 1] = static_cast<char>(value & 0xFF);
  }
  void Put16(uint16_t value) {
    out_->push_back(static_cast<char>(value >> 8));
    out_->push_back(static_cast<char>(value & 0xFF));
  }
  void Put32(uint32_t value) {
    Put16(static_cast<uint16_t>(value >> 16));
    Put16(static_cast<uint16_t>(value & 0xFFFF));
  }
  void PutName(std::string_view name) {
    while (!name.empty()) {
      const size_t dot = std::min(name.find('.'), name.size());
      out_->push_back(static_cast<char>(dot));
      out_->append(name.substr(0, dot));
      name.remove_prefix(std::min(dot + 1, name.size()));
    }
    out_->push_back('\0');
  }
  void Count(size_t section) {
    const auto low = static_cast<uint8_t>((*out_)[section + 1]), high = static_cast<uint8_t>((*out_)[section]);
    Set16(section, static_cast<uint16_t>((high << 8 | low) + 1));
  }
  void Begin(size_t section, uint16_t type, uint32_t ttl) {
    Count(section);
    Put16(kQuestionName);
    Put16(type);
    Put16(kClassIn);
    Put32(ttl);
  }
  template <typename Body>
  void Sized(Body body) {
    const size_t at = out_->size();
    Put16(0);
    body();
    Set16(at, static_cast<uint16_t>(out_->size() - at - 2));
  }

  std::string* out_;
  const Query& query_;
};

// False: the domain says nothing at all.
bool AnswerFrom(const Zone& zone, const Query& query, absl::Duration since_start, Answer& answer) {
  const Zone::Records* records = zone.Find(query.name);
  if (records == nullptr) {
    answer.SetRcode(kRcodeNxDomain);
    answer.Soa(60);
    return true;
  }
  if (records->is_signed) answer.SetAuthenticated();
  const bool any = query.type == kTypeAny;
  bool found = false;
  switch (records->ModeAt(since_start)) {
    case DnsMode::kSilent:
      return false;
    case DnsMode::kServFail:
      answer.SetRcode(kRcodeServFail);
      return true;
    case DnsMode::kRefused:
      answer.SetRcode(kRcodeRefused);
      return true;
    case DnsMode::kLoop:
      answer.CnameToItself(records->ttl);
      return true;
    case DnsMode::kNxDomain:
      answer.SetRcode(kRcodeNxDomain);
      break;
    case DnsMode::kNoData:
      break;
    case DnsMode::kNullMx:
      if (query.type == kTypeMx || any) {
        answer.Mx(0, "", records->ttl);
        found = true;
      }
      break;
    case DnsMode::kAddress:
    case DnsMode::kMx:
      if (query.type == kTypeMx || any) {
        for (const Zone::Mx& mx : records->mx) answer.Mx(mx.preference, mx.host, records->ttl);
        found |= !records->mx.empty();
      }
      if (query.type == kTypeTxt || any) {
        for (const std::string& text : records->txt) answer.Txt(text, records->ttl);
        found |= !records->txt.empty();
      }
      if (query.type == kTypeA || any) {
        for (const std::string& address : records->a) answer.Address(kTypeA, address, records->ttl);
        found |= !records->a.empty();
      }
      if (query.type == kTypeAaaa || any) {
        for (const std::string& address : records->aaaa) answer.Address(kTypeAaaa, address, records->ttl);
        found |= !records->aaaa.empty();
      }
      break;
  }
  if (!found) answer.Soa(records->ttl);
  return true;
}

}  // namespace

bool AnswerDns(const Zone& zone, std::span<const uint8_t> bytes, DnsTransport transport, absl::Duration since_start,
               std::string* out) {
  Query query;
  const Parsed parsed = ReadQuery(bytes, &query);
  if (parsed == Parsed::kNoQuery) return false;
  Answer answer(bytes, query, out);
  if (parsed == Parsed::kMalformed) {
    answer.SetRcode(kRcodeFormErr);
  } else if ((query.flags & 0x7800) != 0) {
    answer.SetRcode(kRcodeNotImp);
  } else if (query.record_class != kClassIn) {
    answer.SetRcode(kRcodeRefused);
  } else if (!AnswerFrom(zone, query, since_start, answer)) {
    return false;
  }
  answer.Edns();
  answer.Fit(transport == DnsTransport::kTcp ? kTcpBytesMax : query.edns_bytes.value_or(kUdpBytes));
  return true;
}

}  // namespace sealift::tools::sink

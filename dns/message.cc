#include "dns/message.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>

namespace sealift::dns {
namespace {

constexpr size_t kNameBytesMax = 255;  // RFC 1035 2.3.4, in wire form
constexpr uint16_t kClassIn = 1;

void AppendLabelByte(uint8_t byte, std::string& name) {
  const char c = static_cast<char>(byte);
  if (c >= 'A' && c <= 'Z') {
    name += static_cast<char>(c - 'A' + 'a');
  } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
    name += c;
  } else {
    fmt::format_to(std::back_inserter(name), "\\{:03}", byte);
  }
}

// Reads a message from front to back; after the first thing that is not there, everything is zero and ok() false.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  size_t position() const { return position_; }

  uint8_t U8() {
    if (!ok_ || position_ >= bytes_.size()) return Fail();
    return bytes_[position_++];
  }
  uint16_t U16() {
    const uint16_t high = U8();
    return static_cast<uint16_t>(high << 8 | U8());
  }
  uint32_t U32() {
    const uint32_t high = U16();
    return high << 16 | U16();
  }
  void Skip(size_t size) {
    if (!ok_ || size > bytes_.size() - position_) {
      Fail();
      return;
    }
    position_ += size;
  }
  std::vector<uint8_t> Bytes(size_t size) {
    const size_t from = position_;
    Skip(size);
    if (!ok_) return {};
    const std::span<const uint8_t> taken = bytes_.subspan(from, size);
    return {taken.begin(), taken.end()};
  }
  template <size_t N>
  void Bytes(std::array<uint8_t, N>& into, size_t size) {
    for (size_t i = 0; i < size; ++i) into[i] = U8();
  }

  // A name at the current position, which moves past it; what it points to is read aside.
  std::string Name() {
    std::string name;
    size_t wire_size = 1;  // of the root's empty label
    size_t place = position_;
    size_t fence = position_;  // a pointer must point before the part of the name that it ends: so it cannot go round
    bool jumped = false;
    while (ok_) {
      if (place >= bytes_.size()) break;
      const uint8_t length = bytes_[place];
      if (length == 0) {
        if (!jumped) position_ = place + 1;
        return name;
      }
      if ((length & 0xc0) == 0xc0) {
        if (place + 1 >= bytes_.size()) break;
        const size_t target = static_cast<size_t>(length & 0x3f) << 8 | bytes_[place + 1];
        if (!jumped) position_ = place + 2;
        jumped = true;
        if (target >= fence) break;
        place = fence = target;
        continue;
      }
      wire_size += 1 + length;
      if ((length & 0xc0) != 0 || wire_size > kNameBytesMax || length >= bytes_.size() - place) break;
      if (!name.empty()) name += '.';
      for (size_t i = 1; i <= length; ++i) AppendLabelByte(bytes_[place + i], name);
      place += 1 + length;
    }
    Fail();
    return "";
  }

 private:
  uint8_t Fail() {
    ok_ = false;
    return 0;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

// What stands before each record's data.
struct RecordHead {
  std::string owner;
  uint16_t type = 0, klass = 0;
  absl::Duration ttl;
  size_t size = 0;

  static RecordHead Read(Reader& reader) {
    RecordHead head;
    head.owner = reader.Name();
    head.type = reader.U16();
    head.klass = reader.U16();
    const uint32_t ttl = reader.U32();
    head.ttl = absl::Seconds(ttl > 0x7fffffff ? 0 : ttl);  // RFC 2181 8: with the top bit set it is zero
    head.size = reader.U16();
    return head;
  }
};

constexpr size_t kTlsaHeadBytes = 3;

// The data of one of the types that are read. False: it does not fill its length exactly.
bool ReadData(Reader& reader, const RecordHead& head, Record& record) {
  const size_t end = reader.position() + head.size;
  switch (head.type) {
    case kTypeA:
      record.address.family = AF_INET;
      reader.Bytes(record.address.bytes, 4);
      break;
    case kTypeAaaa:
      record.address.family = AF_INET6;
      reader.Bytes(record.address.bytes, 16);
      break;
    case kTypeMx:
      record.preference = reader.U16();
      record.target = reader.Name();
      break;
    case kTypeTlsa:
      record.tlsa.usage = reader.U8();
      record.tlsa.selector = reader.U8();
      record.tlsa.matching = reader.U8();
      if (!reader.ok() || head.size < kTlsaHeadBytes) return false;
      record.tlsa.data = reader.Bytes(head.size - kTlsaHeadBytes);
      break;
    case kTypeTxt:
      while (reader.ok() && reader.position() < end) {
        for (const uint8_t byte : reader.Bytes(reader.U8())) record.text += static_cast<char>(byte);
      }
      break;
    default:
      record.target = reader.Name();
      break;
  }
  return reader.ok() && reader.position() == end;
}

bool IsRead(uint16_t type) {
  return type == kTypeA || type == kTypeAaaa || type == kTypeMx || type == kTypeTxt || type == kTypeTlsa ||
         type == kTypeCname;
}

bool ReadAnswers(Reader& reader, size_t count, Message& message) {
  for (size_t i = 0; i < count; ++i) {
    RecordHead head = RecordHead::Read(reader);
    if (!reader.ok()) return false;
    const bool wanted = head.klass == kClassIn && IsRead(head.type);
    if (!wanted) {
      reader.Skip(head.size);
      continue;
    }
    Record record;
    record.owner = std::move(head.owner);
    record.type = head.type;
    record.ttl = head.ttl;
    if (!ReadData(reader, head, record)) return false;
    message.answers.push_back(std::move(record));
  }
  return reader.ok();
}

bool ReadAuthority(Reader& reader, size_t count, Message& message) {
  for (size_t i = 0; i < count; ++i) {
    const RecordHead head = RecordHead::Read(reader);
    if (!reader.ok()) return false;
    if (head.klass != kClassIn || head.type != kTypeSoa) {
      reader.Skip(head.size);
      continue;
    }
    const size_t end = reader.position() + head.size;
    reader.Name();    // the primary server
    reader.Name();    // the mailbox
    reader.Skip(16);  // serial, refresh, retry, expire
    const absl::Duration minimum = absl::Seconds(reader.U32());
    if (!reader.ok() || reader.position() != end) return false;
    message.negative_ttl = std::min({message.negative_ttl, head.ttl, minimum});
  }
  return reader.ok();
}

}  // namespace

std::optional<Message> DecodeMessage(std::span<const uint8_t> bytes) {
  Reader reader(bytes);
  reader.U16();  // the id, which c-ares has compared
  const uint16_t flags = reader.U16();
  const size_t questions = reader.U16();
  const size_t answers = reader.U16();
  const size_t authorities = reader.U16();
  reader.U16();  // additional records are of no interest
  const bool is_response = (flags & 0x8000) != 0;
  const bool is_query = (flags & 0x7800) == 0;  // the opcode
  const bool is_truncated = (flags & 0x0200) != 0;
  if (!reader.ok() || !is_response || !is_query || is_truncated || questions != 1) return std::nullopt;

  Message message;
  message.rcode = flags & 0x000f;
  message.authenticated = (flags & 0x0020) != 0;
  message.question = reader.Name();
  message.type = reader.U16();
  if (reader.U16() != kClassIn || !reader.ok()) return std::nullopt;
  if (!ReadAnswers(reader, answers, message) || !ReadAuthority(reader, authorities, message)) return std::nullopt;
  return message;
}

}  // namespace sealift::dns

#include "queue/log_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/rocks.h"

namespace sealift::queue {
namespace {

constexpr size_t kBlock = 32768, kHeader = 7;
enum Type : uint8_t { kZero, kFull, kFirst, kMiddle, kLast };

// CRC-32C (RFC 3720, B.4), reflected.
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
    table[byte] = crc;
  }
  return table;
}();

uint32_t Shift(uint32_t crc, uint8_t byte) { return (crc >> 8) ^ kTable[(crc ^ byte) & 0xff]; }

uint32_t Crc(std::string_view bytes) {
  uint32_t crc = ~0U;
  for (const char byte : bytes) crc = Shift(crc, static_cast<uint8_t>(byte));
  return ~crc;
}

// As it stands in a record.
uint32_t Masked(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }
uint32_t Unmasked(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8U;
  return (rotated >> 17) | (rotated << 15);
}

uint32_t Little32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// Whether one flipped bit is all that is wrong with a record: in its checksum, or in the `body` that it is over.
bool IsOneBit(uint32_t masked, std::string_view body) {
  const uint32_t computed = Crc(body);
  if (std::popcount(masked ^ Masked(computed)) == 1) return true;
  const uint32_t difference = Unmasked(masked) ^ computed;
  std::array<uint32_t, 8> flipped;  // what each bit of a byte adds, from the last byte backwards
  for (int bit = 0; bit < 8; ++bit) flipped[static_cast<size_t>(bit)] = kTable[1U << bit];
  for (size_t i = 0; i < body.size(); ++i) {
    for (uint32_t& crc : flipped) {
      if (crc == difference) return true;
      crc = Shift(crc, 0);
    }
  }
  return false;
}

// What is wrong with a log, or where its last whole record ends.
struct Verdict {
  const char* damage = nullptr;
  size_t at = 0;
};

Verdict Judge(std::string_view log) {
  const size_t zeros = log.find_last_not_of('\0') + 1;  // from here on; npos + 1 is 0
  Verdict whole;
  bool inside = false;  // of a record of several parts
  for (size_t at = 0; at < log.size();) {
    const size_t left = kBlock - at % kBlock;
    if (left < kHeader) {
      at += left;
      continue;
    }
    if (log.size() - at < kHeader || at >= zeros) break;  // torn
    const std::string_view here = log.substr(at, left);
    const uint32_t masked = Little32(here.data());
    const size_t length = Little32(here.data() + 3) >> 8 & 0xffff;
    const auto body_of = [&](size_t size) { return here.substr(kHeader - 1, size + 1); };  // with the type
    if (kHeader + length > here.size()) {
      for (int bit = 0; bit < 16; ++bit) {
        const size_t other = length ^ (size_t{1} << bit);
        if (kHeader + other <= here.size() && Masked(Crc(body_of(other))) == masked) return {"a wrong length", at};
      }
      if (kHeader + length > left) return {"an impossible length", at};
      break;  // torn
    }
    const std::string_view body = body_of(length);
    if (Masked(Crc(body)) != masked) {
      if (zeros >= at + kHeader + length || IsOneBit(masked, body)) return {"a wrong checksum", at};
      break;  // torn: the end of it is zeros, and so is all behind it
    }
    const auto type = static_cast<uint8_t>(body[0]);
    const bool begins = type == kFull || type == kFirst;
    if (type < kFull || type > kLast || begins == inside) return {"a part out of order", at};
    inside = type == kFirst || type == kMiddle;
    at += kHeader + length;
    if (!inside) whole.at = at;
  }
  return whole;
}

absl::Status Damaged(const std::string& file, const Verdict& verdict) {
  return Damage(fmt::format(
      "{} is damaged: it has {} at byte {}, and records behind it may be lost. Nothing was changed; check the disk",
      file, verdict.damage, verdict.at));
}

absl::Status CheckLog(rocksdb::FileSystem* file_system, const std::string& file) {
  std::string log;
  const rocksdb::Status read = rocksdb::ReadFileToString(file_system, file, &log);
  if (!read.ok()) return FromRocks(read, fmt::format("read {}", file));
  const Verdict verdict = Judge(log);
  if (verdict.damage != nullptr) return Damaged(file, verdict);
  if (verdict.at == log.size()) return absl::OkStatus();
  std::error_code failed;
  std::filesystem::resize_file(file, verdict.at, failed);
  if (!failed) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("the queue cannot cut the torn end of {}: {}. Check the disk", file, failed.message()));
}

}  // namespace

absl::Status CheckLogs(rocksdb::FileSystem* file_system, const std::string& path) {
  std::vector<std::string> names;
  const rocksdb::Status listed = file_system->GetChildren(path, {}, &names, nullptr);
  if (!listed.ok()) return FromRocks(listed, fmt::format("list {}", path));
  std::vector<std::string> logs;
  bool any = false, current = false;
  for (const std::string& name : names) {
    current = current || name == "CURRENT";
    any = any || name.ends_with(".sst") || name.ends_with(".log");
    if (name.ends_with(".log")) logs.push_back(name);
  }
  if (!current) {
    if (!any) return absl::OkStatus();
    return Damage(
        fmt::format("the queue in {} has lost its file CURRENT, though others are there. Nothing was changed", path));
  }
  std::string manifest;
  const rocksdb::Status read = rocksdb::ReadFileToString(file_system, path + "/CURRENT", &manifest);
  if (!read.ok()) return FromRocks(read, "read its file CURRENT");
  while (!manifest.empty() && manifest.back() == '\n') manifest.pop_back();
  if (!manifest.starts_with("MANIFEST-") || std::ranges::find(names, manifest) == names.end()) {
    return Damage(fmt::format("{}/CURRENT is damaged: it names no manifest that is there. Nothing was changed", path));
  }
  logs.push_back(manifest);
  for (const std::string& log : logs) {
    if (absl::Status status = CheckLog(file_system, path + "/" + log); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace sealift::queue

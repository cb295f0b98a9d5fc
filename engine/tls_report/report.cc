#include "engine/tls_report/report.h"

#include <fmt/format.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kGzipFormat = 16 + MAX_WBITS;
constexpr size_t kChunkBytes = size_t{64} << 10;

std::string Rfc3339(absl::Time time) { return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone()); }

Json DetailsJson(const TlsTally::Policy& counted) {
  Json list = Json::array();
  for (const auto& [detail, sessions] : counted.details) {
    Json entry = {{"result-type", ToString(detail.failure)}};
    if (!detail.sending_ip.empty()) entry["sending-mta-ip"] = detail.sending_ip;
    if (!detail.receiving_host.empty()) entry["receiving-mx-hostname"] = detail.receiving_host;
    if (!detail.receiving_ip.empty()) entry["receiving-ip"] = detail.receiving_ip;
    entry["failed-session-count"] = sessions;
    if (!detail.reason.empty()) entry["failure-reason-code"] = detail.reason;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

std::string TlsReport::Id() const {
  return fmt::format("{}.{}.{}@{}", absl::ToUnixSeconds(start), absl::ToUnixSeconds(end), domain, submitter);
}

std::string TlsReport::FileName() const {
  return fmt::format("{}!{}!{}!{}.json.gz", submitter, domain, absl::ToUnixSeconds(start), absl::ToUnixSeconds(end));
}

std::string TlsReport::ToJson() const {
  Json policies = Json::array();
  for (const auto& [used, counted] : counts.policies) {
    Json policy = {{"policy-type", ToString(used.type)}};
    if (!used.text.empty()) policy["policy-string"] = used.text;
    policy["policy-domain"] = domain;
    if (!used.mx.empty()) policy["mx-host"] = used.mx;
    Json entry = {
        {"policy", std::move(policy)},
        {"summary",
         {{"total-successful-session-count", counted.succeeded}, {"total-failure-session-count", counted.failed}}}};
    if (!counted.details.empty()) entry["failure-details"] = DetailsJson(counted);
    policies.push_back(std::move(entry));
  }
  Json report = {{"organization-name", organization},
                 {"date-range", {{"start-datetime", Rfc3339(start)}, {"end-datetime", Rfc3339(end)}}},
                 {"contact-info", contact},
                 {"report-id", Id()},
                 {"policies", std::move(policies)}};
  // I-JSON (4.4) is UTF-8; what a stranger's policy says need not be.
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Gzip(std::string_view bytes) {
  z_stream stream = {};
  const int begun = deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY);
  CHECK(begun == Z_OK, "zlib compresses");
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  // zlib does not write to its input.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ended = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  CHECK(ended == Z_STREAM_END, "what deflateBound says is enough");
  return packed;
}

std::string Gunzip(std::string_view bytes, size_t bytes_max) {
  z_stream stream = {};
  if (inflateInit2(&stream, kGzipFormat) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text;
  int result = Z_OK;
  while (result == Z_OK && text.size() <= bytes_max) {
    const size_t so_far = text.size();
    text.resize(so_far + kChunkBytes);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + so_far);
    stream.avail_out = static_cast<uInt>(kChunkBytes);
    result = inflate(&stream, Z_NO_FLUSH);
    text.resize(text.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return result == Z_STREAM_END && text.size() <= bytes_max ? text : std::string();
}

}  // namespace sealift::engine

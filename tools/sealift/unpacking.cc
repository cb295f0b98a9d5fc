#include "tools/sealift/unpacking.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>

namespace sealift::tools {
namespace {

constexpr int kWindowLogMax = 27;
constexpr int kGzipOnly = 16;  // added to the window's bits

absl::Status Damaged() {
  return absl::InvalidArgumentError(
      "What is in it is neither whole gzip nor whole zstd: it is damaged, or something was appended to it.");
}

bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1F\x8B"); }

bool IsZstd(std::string_view bytes) {
  if (bytes.starts_with("\x28\xB5\x2F\xFD")) return true;
  // A skippable frame, as parallel compressors put first.
  return bytes.size() >= 4 && (bytes[0] & 0xF0) == 0x50 && bytes.substr(1).starts_with("\x2A\x4D\x18");
}

class Gzip final : public Unpacking {
 public:
  Gzip() { ready_ = inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK; }
  ~Gzip() override { inflateEnd(&stream_); }

  absl::StatusOr<size_t> Unpack(std::string_view& in, char* out, size_t out_size) override {
    if (!ready_) return absl::InvalidArgumentError("There is no memory to unpack it.");
    size_t written = 0;
    while (written == 0 && (!in.empty() || full_)) {
      if (complete_) {  // another member
        inflateReset(&stream_);
        complete_ = false;
      }
      constexpr size_t kMost = std::numeric_limits<uInt>::max();
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
      stream_.avail_in = static_cast<uInt>(std::min(in.size(), kMost));
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = static_cast<uInt>(std::min(out_size, kMost));
      const uInt offered = stream_.avail_in, room = stream_.avail_out;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return Damaged();
      complete_ = result == Z_STREAM_END;
      full_ = stream_.avail_out == 0 && !complete_;
      in.remove_prefix(offered - stream_.avail_in);
      written = room - stream_.avail_out;
    }
    return written;
  }

  bool complete() const override { return complete_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
  bool full_ = false;  // more may come without another byte of input
  bool complete_ = false;
};

class Zstd final : public Unpacking {
 public:
  Zstd() : stream_(ZSTD_createDStream()) { ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kWindowLogMax); }
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  absl::StatusOr<size_t> Unpack(std::string_view& in, char* out, size_t out_size) override {
    ZSTD_outBuffer to{out, out_size, 0};
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    while (to.pos == 0 && (from.pos < from.size || full_)) {
      const size_t before = from.pos;
      const size_t result = ZSTD_decompressStream(stream_, &to, &from);
      if (ZSTD_isError(result) != 0) {
        if (ZSTD_getErrorCode(result) != ZSTD_error_frameParameter_windowTooLarge) return Damaged();
        return absl::InvalidArgumentError(
            "It was compressed with a window of more than 128 MiB (zstd --long or --ultra); compress it without.");
      }
      full_ = to.pos == to.size && result != 0;
      complete_ = result == 0;
      if (to.pos == 0 && from.pos == before) break;
    }
    in.remove_prefix(from.pos);
    return to.pos;
  }

  bool complete() const override { return complete_; }

 private:
  ZSTD_DStream* const stream_;
  bool full_ = false;  // more may come without another byte of input
  bool complete_ = false;
};

}  // namespace

std::unique_ptr<Unpacking> Unpacking::Of(std::string_view beginning) {
  if (IsGzip(beginning)) return std::make_unique<Gzip>();
  if (IsZstd(beginning)) return std::make_unique<Zstd>();
  return nullptr;
}

}  // namespace sealift::tools

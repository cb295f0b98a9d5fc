#include "tools/sealift/row_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;

std::string Gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(std::string_view text) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress2(context, packed.data(), packed.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return packed;
}

// A frame of one stored block that asks for a window of this size (RFC 8878 3.1.1).
std::string FrameWithWindow(int window_log, std::string_view text) {
  std::string frame("\x28\xB5\x2F\xFD\x00", 5);
  frame += static_cast<char>((window_log - 10) << 3);
  frame += static_cast<char>(text.size() << 3 | 1);
  return frame + std::string(2, '\0') + std::string(text);
}

struct Read {
  std::string text, why;  // why it ended, if not at its end
  bool damaged = false;
  int code = 0;
};

class RowFileTest : public testing::Test {
 protected:
  RowFileTest() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-rows-XXXXXX";
    path_ = std::string(mkdtemp(pattern.data())) + "/rows";
  }
  ~RowFileTest() override { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }

  Read ReadBack(std::string_view bytes, size_t piece_bytes = 4096) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return ReadIt(piece_bytes);
  }
  Read ReadIt(size_t piece_bytes) {
    Read read;
    absl::StatusOr<RowFile> file = RowFile::Open(path_, "recipients");
    EXPECT_TRUE(file.ok()) << file.status();
    std::string piece;
    while (true) {
      const absl::StatusOr<bool> more = file->Read(&piece, piece_bytes);
      if (!more.ok()) {
        read.why = FailureOf(more.status()).why;
        read.code = static_cast<int>(engine::ExitCodeOf(more.status()));
      }
      read.damaged = file->damaged();
      if (!more.ok() || !*more) return read;
      EXPECT_LE(piece.size(), piece_bytes);
      EXPECT_FALSE(piece.empty());
      read.text += piece;
    }
  }

  std::string path_;
};

std::string SomeRows(int count = 3000) {
  std::mt19937 random(3);
  std::string text = "email,code\n";
  for (int i = 0; i < count; ++i) text += "r" + std::to_string(i) + "@d1.test," + std::to_string(random()) + "\n";
  return text;
}

TEST_F(RowFileTest, WhatIsNotCompressedComesAsItIs) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("\x1F"), std::string("(\xB5/"), SomeRows()}) {
    for (const size_t piece : {1, 3, 5000}) EXPECT_EQ(ReadBack(text, piece).text, text);
  }
}

TEST_F(RowFileTest, GzipAndZstdAreUnpackedWhateverTheFileIsCalled) {
  const std::string text = SomeRows();
  for (const std::string& packed : {Gzip(text), Zstd(text), Gzip(""), Zstd("")}) {
    for (const size_t piece : {1, 1000, 1 << 20}) {
      const Read read = ReadBack(packed, piece);
      EXPECT_EQ(read.why, "");
      EXPECT_EQ(read.text, packed.size() > 100 ? text : "");
    }
  }
}

TEST_F(RowFileTest, MembersAndFramesInARowAreOneFile) {
  EXPECT_EQ(ReadBack(Gzip("a,b\n") + Gzip("") + Gzip("c,d\n"), 3).text, "a,b\nc,d\n");
  const std::string skippable("\x50\x2A\x4D\x18\x03\x00\x00\x00xyz", 11);
  EXPECT_EQ(ReadBack(skippable + Zstd("a,b\n") + skippable + Zstd("c,d\n"), 3).text, "a,b\nc,d\n");
}

// Not one place where a file may break off is taken for its end.
TEST_F(RowFileTest, AFileThatIsCutShortSaysSoWhereverItIsCut) {
  const std::string text = SomeRows(20);
  for (const std::string& packed : {Gzip(text), Zstd(text)}) {
    for (size_t end = Unpacking::kBeginningBytes; end < packed.size(); ++end) {
      const Read read = ReadBack(std::string_view(packed).substr(0, end));
      ASSERT_THAT(read.why, HasSubstr("cut short")) << end;
      ASSERT_TRUE(read.damaged);
      ASSERT_EQ(read.code, 65);
      ASSERT_TRUE(text.starts_with(read.text)) << end;
    }
  }
}

TEST_F(RowFileTest, ADamagedByteIsFoundOrHarmless) {
  const std::string text = SomeRows(20);
  for (const std::string& packed : {Gzip(text), Zstd(text)}) {
    for (size_t at = Unpacking::kBeginningBytes; at < packed.size(); ++at) {
      std::string damaged = packed;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      const Read read = ReadBack(damaged);
      ASSERT_TRUE(read.damaged || read.text == text) << at;
    }
  }
}

TEST_F(RowFileTest, WhatIsAppendedIsNotPassedOver) {
  EXPECT_THAT(ReadBack(Gzip("a\n") + "b,c,d\n").why, HasSubstr("appended"));
  EXPECT_THAT(ReadBack(Zstd("a\n") + "b,c,d\n").why, HasSubstr("appended"));
}

// A hundred megabytes out of a few kilobytes come in pieces of the size that was asked for; ReadIt checks each.
TEST_F(RowFileTest, ABombComesInPieces) {
  const std::string zeros(20 << 20, 'x');
  std::string gzip, zstd;
  for (int i = 0; i < 5; ++i) {
    gzip += Gzip(zeros);
    zstd += Zstd(zeros);
  }
  for (const std::string& bomb : {gzip, zstd}) {
    ASSERT_LT(bomb.size(), 200'000U);
    EXPECT_EQ(ReadBack(bomb, 256 << 10).text.size(), 5 * zeros.size());
  }
}

TEST_F(RowFileTest, AWindowLargerThanTheMemoryForItIsRefused) {
  EXPECT_EQ(ReadBack(FrameWithWindow(27, "a,b\n")).text, "a,b\n");
  const Read read = ReadBack(FrameWithWindow(28, "a,b\n"));
  EXPECT_THAT(read.why, HasSubstr("128 MiB"));
  EXPECT_EQ(read.code, 65);
}

TEST_F(RowFileTest, APipeMayHandOverAByteAtATime) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const std::string text = SomeRows(30), packed = Zstd(text);
  std::thread writer([&] {
    const int fd = open(path_.c_str(), O_WRONLY);
    for (const char& byte : packed) EXPECT_EQ(write(fd, &byte, 1), 1);
    close(fd);
  });
  EXPECT_EQ(ReadIt(1000).text, text);
  writer.join();
}

}  // namespace
}  // namespace sealift::tools

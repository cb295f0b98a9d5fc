// What a message costs before it meets a socket: reading its row, rendering it, dot-stuffing it, reading the replies to
// it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/csv_reader.h"
#include "engine/message/dkim_signer.h"
#include "engine/message/list_fields.h"
#include "engine/message/ndjson_reader.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/rsa_multi_buffer.h"
#include "engine/message/template.h"
#include "engine/shaping/classification.h"
#include "engine/shaping/throttle.h"
#include "engine/smtp/dot_stuffing.h"
#include "engine/smtp/redact.h"
#include "engine/smtp/reply_parser.h"
#include "queue/message_id.h"
#include "queue/message_token.h"

namespace sealift::engine {
namespace {

// About 10 KB with a text and an HTML part, ten merge fields in the body and two in the headers.
std::string TenKilobyteTemplate() {
  std::string eml =
      "From: Clinic at the Lake <news@example.com>\nTo: {{first_name}} {{last_name}} <{{email}}>\n"
      "Subject: {{first_name}}, your appointment on {{day}}\nMIME-Version: 1.0\n"
      "Content-Type: multipart/alternative; boundary=\"=_boundary\"\n\n--=_boundary\nContent-Type: text/plain; "
      "charset=utf-8\n\n"
      "Dear {{first_name}} {{last_name}},\n\nyour appointment is on {{day}} at {{time}} in {{place}}.\n\n";
  for (int i = 0; i < 30; ++i)
    eml += "Please bring your insurance card and come ten minutes early, so that we can begin in time.\n";
  eml +=
      "\n--=_boundary\nContent-Type: text/html; charset=utf-8\n\n<html><body><p>Dear {{first_name}} "
      "{{last_name}},</p>\n<p>{{day}}, {{time}}, {{place}}</p>\n";
  for (int i = 0; i < 60; ++i)
    eml +=
        "<p style=\"margin:0;color:#333\">Please bring your insurance card and come ten minutes early, so that we can "
        "begin.</p>\n";
  return eml + "</body></html>\n--=_boundary--\n";
}

const std::vector<std::string_view> kFields = {"J\xC3\xA4ne", "Doe & Sons", "Monday, 23 November", "10:15",
                                               "Lake Street 5"};

Template CompiledTemplate() {
  return *Template::Compile(TenKilobyteTemplate(),
                            {.columns = {"first_name", "last_name", "day", "time", "place"}, .defaults = {}});
}

void RenderTenKilobytes(benchmark::State& state) {
  const Template compiled = CompiledTemplate();
  const absl::Time date = absl::FromUnixSeconds(1795297481);
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(
        compiled.Render({.email = "jane.doe@d1.test", .fields = kFields},
                        {.message_id = "<abcdefghijklmnopqrstuvwxyz@mta1.example.com>", .date = date}, out));
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * out.size()));
  state.counters["message_bytes"] = static_cast<double>(out.size());
}
BENCHMARK(RenderTenKilobytes);

// Two values in every line, as perf/compare sends it.
void RenderTenKilobytesOfShortLines(benchmark::State& state) {
  std::string eml =
      "From: Clinic <news@sender.test>\nTo: {{email}}\nSubject: News for {{name}}\nMIME-Version: 1.0\nContent-Type: "
      "text/plain; charset=us-ascii\n\nDear {{name}},\n\n";
  for (int i = 0; i < 98; ++i)
    eml += "We are open again in {{city}}, {{name}}, and look forward to seeing you with all our heart this spring.\n";
  const Template compiled = *Template::Compile(eml, {.columns = {"name", "city"}, .defaults = {}});
  const std::vector<std::string_view> fields = {"Person 4711", "City 5"};
  const absl::Time date = absl::FromUnixSeconds(1795297481);
  std::string out;
  for (auto _ : state) {
    out.clear();
    benchmark::DoNotOptimize(
        compiled.Render({.email = "row4711@d1.test", .fields = fields},
                        {.message_id = "<abcdefghijklmnopqrstuvwxyz@mta1.example.com>", .date = date}, out));
  }
}
BENCHMARK(RenderTenKilobytesOfShortLines);

// What a stream's List-Unsubscribe, List-Id and Feedback-ID add to the same.
void RenderTenKilobytesWithListFields(benchmark::State& state) {
  const Template compiled = CompiledTemplate();
  const absl::Time date = absl::FromUnixSeconds(1795297481);
  std::string out;
  for (auto _ : state) {
    out.clear();
    std::string fields;
    AppendListFields({.unsubscribe_url = "https://u.example.com/out",
                      .unsubscribe_mailto = "out@example.com",
                      .list_id = "news.example.com",
                      .feedback_id = "{campaign}:news::mailco"},
                     compiled.fields().own, "spring", "abcdefghijklmnopqrstuvwxyz234567abcdefghij", fields);
    benchmark::DoNotOptimize(compiled.Render(
        {.email = "jane.doe@d1.test", .fields = kFields},
        {.message_id = "<abcdefghijklmnopqrstuvwxyz@mta1.example.com>", .date = date, .fields = fields}, out));
  }
}
BENCHMARK(RenderTenKilobytesWithListFields);

// One for the envelope sender of each message, one more where a stream has List-Unsubscribe.
void MakeToken(benchmark::State& state) {
  queue::MessageTokens tokens;
  tokens.SetKeys(queue::Secret::Random(), {});
  uint32_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        tokens.Encode(queue::TokenPurpose::kUnsubscribe, {{queue::CampaignId{1}, {}}, queue::RowId{++row}}));
  }
}
BENCHMARK(MakeToken);

void MakeMessageId(benchmark::State& state) {
  uint32_t row = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue::EncodeMessageId({}, {{queue::CampaignId{1}, {}}, queue::RowId{++row}}));
  }
}
BENCHMARK(MakeMessageId);

void HashBodyOfTenKilobytes(benchmark::State& state) {
  std::string message;
  benchmark::DoNotOptimize(CompiledTemplate().Render({.email = "jane.doe@d1.test", .fields = kFields},
                                                     {.message_id = "<a@example.com>", .date = absl::UnixEpoch()},
                                                     message));
  const std::string_view body = std::string_view(message).substr(message.find("\r\n\r\n") + 4);
  for (auto _ : state) benchmark::DoNotOptimize(HashRelaxedBody(body));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * body.size()));
}
BENCHMARK(HashBodyOfTenKilobytes);

// Everything that a signer thread does for a message with one key, but the signature itself.
void RenderAndHashTenKilobytes(benchmark::State& state) {
  constexpr std::string_view kSignature =
      "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=s1; "
      "h=From:From:Sender:Reply-To:To:To:Cc:Subject:Subject:Date:Date:Message-ID:Message-ID; b=";
  const Template compiled = CompiledTemplate();
  std::string message, wire;
  for (auto _ : state) {
    message.clear();
    wire.clear();
    benchmark::DoNotOptimize(compiled.Render(
        {.email = "jane.doe@d1.test", .fields = kFields},
        {.message_id = "<abcdefghijklmnopqrstuvwxyz@mta1.example.com>", .date = absl::UnixEpoch()}, message));
    const size_t end = message.find("\r\n\r\n");
    benchmark::DoNotOptimize(HashRelaxedBody(std::string_view(message).substr(end + 4)));
    benchmark::DoNotOptimize(HashDkimHeader(std::string_view(message).substr(0, end),
                                            {std::begin(kDkimFields), std::end(kDkimFields)}, kSignature));
    AppendDotStuffed(message, wire);
    benchmark::DoNotOptimize(wire.data());
  }
}
BENCHMARK(RenderAndHashTenKilobytes);

DkimKey KeyOf(DkimAlgorithm algorithm) { return *DkimKey::Generate(algorithm); }

// What OpenSSL takes for a signature and nothing else, its context made once: read RenderAndSign... beside it.
void RawRsa2048Signature(benchmark::State& state) {
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048});
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  EVP_PKEY_sign_init(context);
  EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING);
  EVP_PKEY_CTX_set_signature_md(context, EVP_sha256());
  const Sha256 hash = HashOf("text");
  std::array<unsigned char, 256> signature;
  for (auto _ : state) {
    size_t size = signature.size();
    benchmark::DoNotOptimize(EVP_PKEY_sign(context, signature.data(), &size, hash.data(), hash.size()));
  }
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
}
BENCHMARK(RawRsa2048Signature);

// Of each of eight that are signed together.
void Rsa2048SignaturesTogether(benchmark::State& state) {
  const DkimKey key = KeyOf(DkimAlgorithm::kRsaSha256);
  std::vector<Sha256> hashes(RsaMultiBuffer::kTogether);
  for (size_t i = 0; i < hashes.size(); ++i) hashes[i] = HashOf(std::to_string(i));
  std::vector<std::string> signatures(hashes.size());
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(hashes.size()))) {
    key.Sign(hashes, absl::MakeSpan(signatures));
    benchmark::DoNotOptimize(signatures.data());
  }
}
BENCHMARK(Rsa2048SignaturesTogether);

void Ed25519Signature(benchmark::State& state) {
  const DkimKey key = KeyOf(DkimAlgorithm::kEd25519Sha256);
  const Sha256 hash = HashOf("text");
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(hash));
}
BENCHMARK(Ed25519Signature);

void RenderAndSignTenKilobytes(benchmark::State& state, DkimAlgorithm algorithm) {
  const Template compiled = CompiledTemplate();
  const DkimSigner signer({{"example.com", "s1", KeyOf(algorithm)}});
  std::string message, wire;
  for (auto _ : state) {
    message.clear();
    wire.clear();
    benchmark::DoNotOptimize(compiled.Render(
        {.email = "jane.doe@d1.test", .fields = kFields},
        {.message_id = "<abcdefghijklmnopqrstuvwxyz@mta1.example.com>", .date = absl::UnixEpoch()}, message));
    benchmark::DoNotOptimize(signer.Sign(message, compiled.fixed_body_hash(), wire));
    AppendDotStuffed(message, wire);
    benchmark::DoNotOptimize(wire.data());
  }
}
BENCHMARK_CAPTURE(RenderAndSignTenKilobytes, Rsa2048, DkimAlgorithm::kRsaSha256);
BENCHMARK_CAPTURE(RenderAndSignTenKilobytes, Ed25519, DkimAlgorithm::kEd25519Sha256);

void CheckRow(benchmark::State& state) {
  const Template compiled = CompiledTemplate();
  for (auto _ : state) benchmark::DoNotOptimize(compiled.Check({.email = "jane.doe@d1.test", .fields = kFields}));
}
BENCHMARK(CheckRow);

void CompileTenKilobytes(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CompiledTemplate());
}
BENCHMARK(CompileTenKilobytes);

void DotStuffTenKilobytes(benchmark::State& state) {
  std::string message, wire;
  benchmark::DoNotOptimize(CompiledTemplate().Render({.email = "jane.doe@d1.test", .fields = kFields},
                                                     {.message_id = "<a@example.com>", .date = absl::UnixEpoch()},
                                                     message));
  for (auto _ : state) {
    wire.clear();
    AppendDotStuffed(message, wire);
    benchmark::DoNotOptimize(wire.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * message.size()));
}
BENCHMARK(DotStuffTenKilobytes);

std::string EightColumns(int rows) {
  std::string csv = "email,first_name,last_name,city,plan,day,time,code\n";
  for (int i = 0; i < rows; ++i)
    csv += fmt::format("patient{}@d{}.test,Jane,\"Doe, Jr.\",Springfield,gold,Monday,10:15,{}\n", i, i % 60, i * 7919);
  return csv;
}

void CsvRow(benchmark::State& state) {
  const std::string csv = EightColumns(10000);
  for (auto _ : state) {
    CsvReader reader;
    reader.Feed(csv);
    reader.Finish();
    while (*reader.Next() == CsvReader::Step::kRow) benchmark::DoNotOptimize(reader.fields().data());
  }
  state.SetItemsProcessed(state.iterations() * 10000);
}
BENCHMARK(CsvRow);

// A row read, its address parsed, ready to be queued.
void RecipientRow(benchmark::State& state) {
  const std::string csv = EightColumns(10000);
  for (auto _ : state) {
    RecipientReader reader;
    reader.Feed(csv);
    reader.Finish();
    while (*reader.Next() == RecipientReader::Step::kRecipient)
      benchmark::DoNotOptimize(reader.recipient().email.data());
  }
  state.SetItemsProcessed(state.iterations() * 10000);
}
BENCHMARK(RecipientRow);

std::string EightMembers(int rows) {
  std::string ndjson;
  for (int i = 0; i < rows; ++i)
    ndjson += fmt::format(
        "{{\"email\":\"patient{}@d{}.test\",\"first_name\":\"Jane\",\"last_name\":\"Doe, "
        "Jr.\",\"city\":\"Springfield\","
        "\"plan\":\"gold\",\"day\":\"Monday\",\"time\":\"10:15\",\"code\":{}}}\n",
        i, i % 60, i * 7919);
  return ndjson;
}

void NdjsonRow(benchmark::State& state) {
  const std::string ndjson = EightMembers(10000);
  for (auto _ : state) {
    NdjsonReader reader;
    reader.Feed(ndjson);
    reader.Finish();
    while (*reader.Next() == RowReader::Step::kRow) benchmark::DoNotOptimize(reader.fields().data());
  }
  state.SetItemsProcessed(state.iterations() * 10000);
}
BENCHMARK(NdjsonRow);

// MAIL, RCPT, DATA and the final dot.
void RepliesOfATransaction(benchmark::State& state) {
  constexpr std::string_view kReplies =
      "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as 4Zx1Ab2Cd3Ef\r\n";
  ReplyParser parser;
  for (auto _ : state) {
    parser.Feed(kReplies);
    for (int i = 0; i < 4; ++i) benchmark::DoNotOptimize(parser.Next());
  }
}
BENCHMARK(RepliesOfATransaction);

void RedactReplyToAMessage(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(RedactReply("2.0.0 Ok: queued as 4Zx1Ab2Cd3Ef", "jane.doe@d1.test"));
}
BENCHMARK(RedactReplyToAMessage);

void ClassifyRefusal(benchmark::State& state) {
  Reply reply;
  reply.code = 550;
  reply.enhanced = EnhancedCode{5, 1, 1};
  reply.lines = "5.1.1 <jane.doe@d1.test>: Recipient address rejected: User unknown in virtual mailbox table";
  for (auto _ : state) benchmark::DoNotOptimize(Classify(Phase::kRcpt, reply));
}
BENCHMARK(ClassifyRefusal);

void ThrottleAcquire(benchmark::State& state) {
  Throttle throttle({.count = 1'000'000'000});
  absl::Time now = absl::UnixEpoch();
  for (auto _ : state) {
    now += absl::Nanoseconds(2);
    benchmark::DoNotOptimize(throttle.Acquire(now));
  }
}
BENCHMARK(ThrottleAcquire);

}  // namespace
}  // namespace sealift::engine

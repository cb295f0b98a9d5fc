#include "engine/finished_row.h"

#include <utility>

namespace sealift::engine {

absl::StatusOr<FinishedMessage> FinishedOf(const queue::Row& row) {
  return FinishedMessage::Decode(row.fields.size() == 1 ? row.fields[0] : std::string_view());
}

void PieceReader::Ask(uint32_t piece) {
  read_ = std::make_shared<Read>();
  services_.store.ReadPiece(
      campaign_, queue::BodyId{message_}, piece,
      [read = read_, post = services_.post](absl::StatusOr<std::string> got) {
        post([read, got = std::move(got)]() mutable {
          read->piece = std::move(got);
          read->arrived.NotifyAll();
        });
      },
      turn_);
}

Task<absl::StatusOr<std::string>> PieceReader::Take() {
  const std::shared_ptr<Read> read = std::exchange(read_, nullptr);
  while (!read->piece.has_value()) {
    const absl::Status waited = co_await read->arrived.Wait();
    if (!waited.ok()) co_return waited;
  }
  co_return *std::move(read->piece);
}

}  // namespace sealift::engine

#include "queue/bodies.h"

#include "fmt/format.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/convenience.h"

namespace sealift::queue {

absl::StatusOr<std::string> ReadBodyPiece(Database* database, Unsealer* unsealer, CampaignId campaign, BodyId body,
                                          uint32_t piece) {
  // The cache is the rows': a large message would push them all out of it.
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::string key = BodyKey(campaign, body, piece);
  rocksdb::PinnableSlice sealed;
  const auto found = database->get()->Get(options, database->handle(Column::kBodies), key, &sealed);
  if (found.IsNotFound()) {
    return absl::NotFoundError(fmt::format("message {} of campaign {:08x} is not kept any more",
                                           static_cast<uint32_t>(body), static_cast<uint32_t>(campaign)));
  }
  if (!found.ok()) return FromRocks(found, "read a finished message");
  return unsealer->Open(KeyName::Of(campaign), Seal::kBody, key, ToView(sealed));
}

absl::Status DropBodyFiles(Database* database, CampaignId campaign) {
  const std::string begin = CampaignPrefix(campaign), end = PrefixEnd(begin);
  const rocksdb::Slice first(begin), behind(end);
  const rocksdb::RangePtr range(&first, &behind);
  return FromRocks(rocksdb::DeleteFilesInRanges(database->get(), database->handle(Column::kBodies), &range, 1,
                                                /*include_end=*/false),
                   "remove finished messages");
}

}  // namespace sealift::queue

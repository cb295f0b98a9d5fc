#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/campaigns.h"
#include "engine/node.h"
#include "engine/runtime/check.h"
#include "engine/shard.h"
#include "queue/store.h"
#include "tests/engine/core/temporary_folder.h"

namespace sealift::engine {

// LoaderWorld is what a load needs: a real store in a folder of its own, and campaigns that no shard sends.
class LoaderWorld : public testing::Test {
 protected:
  LoaderWorld() {
    queue::Store::Options options;
    options.path = folder_.path() + "/queue";
    options.kek.fill(7);
    options.memory_bytes = 32 << 20;
    options.commit_interval = absl::ZeroDuration();
    absl::StatusOr<std::unique_ptr<queue::Store>> store = queue::Store::Open(std::move(options));
    CHECK(store.ok(), "the store opens");
    store_ = *std::move(store);
    campaigns_ = std::make_unique<Campaigns>(
        *store_, shards_, Delivery::kSink,
        Campaigns::Surroundings{.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
  }

  // Lets the loader report here what it rejects.
  void Listen(CampaignLoader& loader) {
    loader.OnRejection([this](const CampaignLoader::Rejection& rejection) { rejections_.push_back(rejection); });
  }

  // In the order of their numbers.
  std::vector<queue::StoredRow> Rows(const std::string& name) {
    const absl::StatusOr<queue::Campaign> campaign = store_->FindCampaign(name);
    CHECK(campaign.ok(), "it was loaded");
    absl::StatusOr<queue::RowsPage> page = store_->ListRows(campaign->id, {.fields = true}, "", 10'000);
    CHECK(page.ok(), "rows can be listed");
    std::ranges::sort(page->rows, {}, [](const queue::StoredRow& row) { return row.message.row; });
    return std::move(page->rows);
  }

  TemporaryFolder folder_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<Campaigns> campaigns_;
  absl::Status admission_;  // what a chunk is told before it is committed
  uint64_t reported_ = 0;   // rows that were said to be accepted
  std::vector<CampaignLoader::Rejection> rejections_;
};

}  // namespace sealift::engine

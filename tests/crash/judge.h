#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::crash {

// Judge joins three accounts of the same rows: what the submitter was told, what the receiving servers accepted, and
// what the daemon says is durable. A *life* is what is between a start of the daemon and the kill that ends it; lives
// are numbered from 1.
//
// A row that arrives twice is explained when each arrival but the last was in a life that was killed before its outcome
// was durable, and all carry one Message-ID. At most `unsettled_max` rows a life may be so. Of a campaign that holds
// what is in doubt no row may arrive twice; one that is shown as in doubt at the end may have arrived or not.
//
// Threads: one.
class Judge {
 public:
  explicit Judge(uint64_t unsettled_max) : unsettled_max_(unsettled_max) {}

  // A load of this campaign ended well and said that so many rows were accepted.
  void Acknowledged(uint32_t campaign, uint32_t rows, int64_t accepted);
  // A server accepted a message after its final dot. In the servers' order.
  void Arrived(std::string_view mailbox, const std::string& message_id, uint32_t life);
  // The daemon shows an outcome, so it is durable. `life`: in which it was decided. In the order of the cursors.
  void Settled(std::string_view mailbox, std::string_view outcome, uint32_t life);
  // At the end the daemon shows the row as in doubt.
  void InDoubt(std::string_view mailbox);
  // What went wrong elsewhere.
  void Find(std::string finding);

  // Everything that is not as promised; each kind at most a few times. Empty: the promise was kept.
  std::vector<std::string> Finish();

  uint64_t acknowledged_rows() const { return acknowledged_rows_; }
  uint64_t arrivals() const { return arrivals_; }
  uint64_t duplicates() const { return duplicates_; }
  uint64_t duplicates_a_life_max() const;
  uint64_t in_doubt() const { return in_doubt_; }

 private:
  struct Message {
    std::string id;
    uint32_t last_life = 0;  // of the newest arrival; 0: none
    uint32_t arrivals = 0;
    uint32_t settled_life = 0;
    uint16_t delivered = 0, bounced = 0;  // outcomes shown
    bool in_doubt = false;
  };
  struct Campaign {
    bool acknowledged = false;
    uint32_t rows = 0;
    std::vector<Message> messages;  // by row - 1
  };

  Message* MessageAt(std::string_view mailbox);
  void JudgeRow(uint32_t campaign, uint32_t row, const Message& message);

  const uint64_t unsettled_max_;
  std::map<uint32_t, Campaign> campaigns_;
  std::map<uint32_t, uint64_t> again_;  // life -> rows that arrived in it and once more in a later one
  uint64_t acknowledged_rows_ = 0, arrivals_ = 0, duplicates_ = 0, lost_ = 0, in_doubt_ = 0;
  std::vector<std::string> findings_;
};

}  // namespace sealift::crash

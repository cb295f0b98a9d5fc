#include <nlohmann/json.hpp>

#include "tools/sink/sink.h"

namespace sealift::tools::sink {

std::string Sink::StatusJson() const {
  nlohmann::ordered_json status;
  status["messages"] = counters_->Total(Count::messages);
  status["faults"] = counters_->Faults();
  status["port"] = port_;
  if (dns_) status["dns_address"] = dns_->ToString();
  status["ledger_failed"] = ledger_->failed();
  status["connections_open"] = connections_.load();
  nlohmann::ordered_json& totals = status["totals"];
  for (size_t i = 0; i < kCounts; ++i) totals[std::string(kCountNames[i])] = counters_->Total(static_cast<Count>(i));
  status["dns"] = {{"queries", counters_->dns.queries.load()},
                   {"silent", counters_->dns.silent.load()},
                   {"tcp", counters_->dns.tcp.load()}};
  nlohmann::ordered_json& providers = status["providers"] = nlohmann::ordered_json::object();
  for (size_t p = 0; p < options_.script.providers.size(); ++p) {
    nlohmann::ordered_json provider = nlohmann::ordered_json::object();
    for (size_t i = 0; i < kCounts; ++i) {
      const uint64_t value = counters_->OfProvider(p, static_cast<Count>(i));
      if (value > 0) provider[std::string(kCountNames[i])] = value;
    }
    providers[options_.script.providers[p].name] = std::move(provider);
  }
  return status.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace sealift::tools::sink

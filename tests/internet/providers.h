#pragma once

#include <string>
#include <vector>

namespace sealift::scenario {

// What a kind of provider does to senders, and what follows from that.
struct ProviderKind {
  std::string name;
  int rows = 0;       // for each of its providers
  std::string lines;  // of the sink's script
  // The hours that its rules make mail take at least, from the campaign's start; those of a storm count from the
  // sink's.
  double hours = 0;
  bool from_sink_start = false;
  bool counts = true;    // its refusals are of a rule of its own about senders; false: of each recipient once
  std::string settings;  // of our [[destination]]
};

const std::vector<ProviderKind>& ProviderKinds();

// A test Internet: so many providers of each kind, each with a host of its own and some domains.
struct TestInternet {
  int providers = 1, domains = 1;  // of a kind; of a provider
  int time_scale = 1;              // an hour of a provider is 3,600 seconds divided by this
  bool days = false;               // with those that limit by the day

  std::vector<const ProviderKind*> Kinds() const;
  static std::string ProviderName(const ProviderKind& kind, int provider);
  std::vector<std::string> Domains(const ProviderKind& kind, int provider) const;

  double SecondsOf(double hours) const { return hours * 3600 / time_scale; }
};

}  // namespace sealift::scenario

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "dns/answer.h"
#include "engine/lane.h"
#include "engine/runtime/task_group.h"
#include "engine/runtime/turn_budget.h"
#include "engine/shard_services.h"
#include "engine/site.h"

namespace sealift::engine {

// What names a site: domains with the same hosts at the same preferences have one.
std::string SiteKeyOf(const std::vector<dns::MxHost>& hosts);

// Who judges senders there: the provider where it is a known one, else the site itself, "site mx.d1.test".
std::string JudgeOf(const Options& options, const std::vector<dns::MxHost>& hosts);

// What becomes of mail to a domain whose MX answer names no host.
LaneVerdict VerdictOf(const dns::MxAnswer& answer);

// Directory knows which site serves a domain, for the lanes of one shard, and keeps the sites that the shard owns.
//
// In sink mode every domain is a site of its own, so that limits and fairness are those that live mode would have.
//
// Owned by:  the scheduler.
// Threads:   the shard's.
// Errors:    a domain without a site has a verdict for the rows of its lanes: they bounce, or wait.
class Directory {
 public:
  static constexpr size_t kLookupsMax = 256;       // at once
  static constexpr size_t kTransactionalMax = 32;  // and so many more for transactional mail, which asks first
  // Web servers that are asked for a policy may take their time: so many are waited for while others are looked up.
  static constexpr size_t kFetchesMax = 4096;
  static constexpr size_t kRefreshesMax = 16;  // no policy in force is fetched again while so many are under way
  static constexpr size_t kUnusedMax = 1024;   // sites that are kept though nothing refers to them
  // For lanes whose domains are known at once, as thousands may be; those of transactional mail wait for no turn.
  static constexpr absl::Duration kAnswersATurn = absl::Milliseconds(1);

  struct Callbacks {
    std::function<void(Lane&, Site&)> resolved;
    std::function<void(Lane&, const SiteIdentity&, int shard)> elsewhere;  // the site is another shard's
    std::function<void(Lane&, LaneVerdict)> failed;
  };

  Directory(ShardServices& services, TaskGroup& tasks, Callbacks callbacks);

  // Answers through one of the callbacks, at once or later, unless the lane is forgotten first.
  void Resolve(Lane& lane);
  // The lane is being forgotten.
  void Forget(Lane& lane);

  Site& SiteOf(const SiteIdentity& identity, const std::string& domain);
  // Other options are in force: whether a site is another provider's by them.
  bool Regroup();

  // Null: the domain was never resolved here.
  Site* FindSite(const std::string& domain) const;
  bool Resolving(const std::string& domain) const { return resolving_.contains(domain); }

  void ForEach(const std::function<void(Site&)>& visit) const;
  size_t sites() const { return sites_.size(); }
  // Forgets sites that nothing refers to and whose blocks have ended.
  void Sweep();
  // The site's last queue or session has gone.
  void MayBeUnused(Site& site);
  // Beyond kUnusedMax sites those that are unused for the longest are forgotten at once, `forgotten` telling of each
  // before it goes. At the end of a turn: nobody holds a site then.
  void ForgetUnused(const std::function<void(const Site&)>& forgotten);

 private:
  void Group(Site& site) const;
  Task<void> LookUp(std::string domain);
  // Lets those go on in the turns to come whose answer this turn had no time for.
  Task<void> WakeAnswers();
  Task<StsFinding> FetchPolicy(std::string domain, StsFinding looked);
  // Transactional mail waits for the answer.
  bool IsUrgent(const std::string& domain) const;
  StsSearch Search() const;
  // Of these hosts the ones that the configuration allows to be mailed.
  Task<std::vector<dns::MxHost>> Allowed(std::vector<dns::MxHost> hosts);
  // Whether one of them can be reached. Not, where the DNS says for good that it has no address of a source's family,
  // or only such as lead back to this machine.
  Task<bool> HaveAddress(const std::vector<dns::MxHost>& hosts);
  void Answer(const std::string& domain, dns::MxAnswer answer, const StsPolicies::RecordPtr& sts);
  void StartLookups();
  // Look-ups that are counted in kLookupsMax.
  size_t Busy() const;

  ShardServices& services_;
  TaskGroup& tasks_;
  Callbacks callbacks_;
  TurnBudget budget_;
  std::unordered_map<std::string, std::shared_ptr<Site>> sites_;  // by key
  std::unordered_map<std::string, std::weak_ptr<Site>> site_of_domain_;
  std::deque<std::weak_ptr<Site>> unused_;  // perhaps; the one that became so first in front
  struct Question {
    std::vector<Lane*> lanes;  // that wait
    bool begun = false;
    bool fetches = false;  // the domain's policy, which it waits for
  };
  // Begins the look-up of the last domain of the list, unless it has begun.
  void StartLast(std::vector<std::string>& waiting);

  std::unordered_map<std::string, Question> resolving_;  // by domain
  std::vector<std::string> urgent_, waiting_;            // domains to be looked up; one may stand in both
  Signal answers_;                                       // look-ups that wait for a later turn
  bool wakes_answers_ = false;                           // somebody does
  size_t lookups_ = 0;                                   // under way, but for those that wait for a policy
  size_t fetches_ = 0;                                   // of policies
};

}  // namespace sealift::engine

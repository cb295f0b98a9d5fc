// The groups of hosts that are known to judge a sender as one, by the names of their MX hosts.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// A [[provider]] of the same name in the config replaces one of these. Mail filters that serve many organisations are
// groups too: they share their opinion of a source.
struct BuiltInProvider {
  std::string_view name;
  std::array<std::string_view, 6> mx;  // patterns of [[provider]]; empty ones end the list
};

inline constexpr std::array<BuiltInProvider, 20> kBuiltInProviders = {{
    {"google", {"*.google.com", "*.googlemail.com", "*.psmtp.com"}},
    {"microsoft", {"*.protection.outlook.com", "*.olc.protection.outlook.com", "*.mx.microsoft", "*.hotmail.com"}},
    {"yahoo", {"*.yahoodns.net", "*.yahoo.com", "*.yahoo.co.jp"}},
    {"apple", {"*.icloud.com", "*.mail.icloud.com", "*.apple.com"}},
    {"comcast", {"*.comcast.net"}},
    {"charter", {"*.charter.net", "*.rr.com", "*.spectrum.net"}},
    {"cox", {"*.cox.net"}},
    {"att", {"*.prodigy.net", "*.att.net", "*.bellsouth.net"}},
    {"gmx", {"*.gmx.net", "*.gmx.com", "*.web.de", "*.kundenserver.de", "*.ionos.com"}},
    {"tonline", {"*.t-online.de"}},
    {"orange", {"*.orange.fr", "*.wanadoo.fr"}},
    {"laposte", {"*.laposte.net"}},
    {"libero", {"*.libero.it"}},
    {"mailru", {"*.mail.ru"}},
    {"yandex", {"*.yandex.ru", "*.yandex.net"}},
    {"zoho", {"*.zoho.com", "*.zoho.eu"}},
    {"proton", {"*.protonmail.ch"}},
    {"fastmail", {"*.messagingengine.com"}},
    {"proofpoint", {"*.pphosted.com", "*.ppe-hosted.com"}},
    {"mimecast", {"*.mimecast.com", "*.mimecast.co.za"}},
}};

struct Options;

// Every name that a host's provider may have: the built-in groups, those of the configuration, and "other".
std::vector<std::string_view> ProviderNames(const Options& options);

// The hosts of a group of the configuration, by which it is known whatever it is called by then; none of a built-in.
std::vector<std::string> HostsOfProvider(const Options& options, std::string_view provider);
// What a group is called now that had this name and these hosts: as one is that has the same hosts; else as before, if
// there is one; else as the one that has most of them. Empty: nobody has any.
std::string ProviderNow(const Options& options, std::string_view provider, const std::vector<std::string>& hosts);

}  // namespace sealift::engine

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/shaping/classification.h"
#include "engine/smtp/reply.h"

namespace sealift::engine {

// Who took part in what a reply answers.
struct Parties {
  std::string_view recipient;                    // the envelope's
  std::string_view sender;                       // the envelope's: "b+TOKEN@bounce.sender.test"
  std::string_view hostname;                     // as EHLO said it
  std::span<const std::string> signed_for = {};  // the domains that the message is signed for: its From is of one
};

// A refusal's verdict, once it is looked at whose names the reply quotes: Classify does not read addresses.
//
// Where it quotes an address of ours and not the recipient's, it says that of us, and so it does where it only rejects
// it: servers call back to hear whether our own address is taken. So it does where it knows no domain and quotes one of
// ours. That is of the domain, or, where only the name is quoted that we greeted with, of the source. A mailbox that is
// switched off is ours unless the address is only where the mail is from. One that quotes somebody else, or a host of
// ours, is believed only when it is heard again: the recipient's mail may be forwarded to who is gone.
//
// Where no words say that there is nobody, and it takes nothing from a host of ours, or names that and nothing of the
// recipient's, it refuses the host.
//
// Where the recipient is named as who has blocked us ("you are on joe's black list"), it is he who does not want the
// mail, and no list of addresses.
Verdict Reconsider(const Verdict& verdict, const Reply& reply, const Parties& parties);

}  // namespace sealift::engine

#include "tools/sealift/demo/patients.h"

#include <fmt/format.h>

#include <iterator>

namespace sealift::tools {
namespace {

// Given name, and its form in an address.
struct Name {
  const char* written;
  const char* address;
};
constexpr Name kFirst[] = {{"Ada", "ada"},         {"Bruno", "bruno"},   {"Chloé", "chloe"}, {"Daniel", "daniel"},
                           {"Elif", "elif"},       {"Fatima", "fatima"}, {"Goran", "goran"}, {"Hana", "hana"},
                           {"Iván", "ivan"},       {"Jonas", "jonas"},   {"Keiko", "keiko"}, {"Lucía", "lucia"},
                           {"Mehmet", "mehmet"},   {"Nora", "nora"},     {"Olu", "olu"},     {"Priya", "priya"},
                           {"Quentin", "quentin"}, {"Rosa", "rosa"},     {"Søren", "soren"}, {"Tariq", "tariq"}};
constexpr Name kLast[] = {{"Álvarez", "alvarez"}, {"Brandt", "brandt"},     {"Costa", "costa"},
                          {"Dubois", "dubois"},   {"Eriksen", "eriksen"},   {"Fischer", "fischer"},
                          {"García", "garcia"},   {"Haddad", "haddad"},     {"Ito", "ito"},
                          {"Jansen", "jansen"},   {"Kowalski", "kowalski"}, {"Lindqvist", "lindqvist"},
                          {"Müller", "mueller"},  {"Nguyen", "nguyen"},     {"O'Neill", "oneill"},
                          {"Popescu", "popescu"}, {"Rossi", "rossi"},       {"Singh", "singh"},
                          {"Tanaka", "tanaka"},   {"Yılmaz", "yilmaz"},     {"Zhang", "zhang"}};
constexpr const char* kClinics[] = {"Harbour Street", "North Hill", "Old Mill, Building B", "Riverside"};
constexpr const char* kDoctors[] = {"Dr. Amari", "Dr. Beck", "Dr. Castellano", "Dr. Duarte", "Dr. Ekström"};
constexpr const char* kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"};

}  // namespace

std::string DemoRecipients(int count) {
  std::string csv = "email,first_name,last_name,clinic,doctor,appointment,note\r\n";
  csv.reserve(static_cast<size_t>(count) * 110);
  for (int i = 0; i < count; ++i) {
    const Name& first = kFirst[static_cast<size_t>(i) % std::size(kFirst)];
    const Name& last = kLast[static_cast<size_t>(i / 3) % std::size(kLast)];
    const std::string appointment = fmt::format("{} at {}:{:02}", kDays[i % 5], 8 + i / 7 % 9, i % 4 * 15);
    const char* note = i % 10 == 0 ? "Please come without having had breakfast." : "";
    csv += fmt::format("{}.{}{}@d{}.test,{},{},\"{}\",{},{},{}\r\n", first.address, last.address, i + 1,
                       i % kDemoDomains + 1, first.written, last.written,
                       kClinics[static_cast<size_t>(i) % std::size(kClinics)],
                       kDoctors[static_cast<size_t>(i) % std::size(kDoctors)], appointment, note);
  }
  return csv;
}

std::string DemoTemplate() {
  return R"eml(From: Harbour Clinics <letters@clinic.example>
Subject: {{first_name}}, your appointment on {{appointment}}
List-Unsubscribe: <https://u.clinic.example/>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="letter"

--letter
Content-Type: text/plain; charset=utf-8

Dear {{first_name}} {{last_name}},

{{doctor}} expects you on {{appointment}} at our clinic {{clinic}}.
{{#note}}

{{.}}
{{/note}}

If you cannot come, call us; somebody else will be glad of the place.

Harbour Clinics
--letter
Content-Type: text/html; charset=utf-8

<!doctype html>
<html>
<body style="font-family: sans-serif; color: #223; max-width: 36em; margin: auto">
<h1 style="font-size: 1.3em">Your appointment</h1>
<p>Dear {{first_name}} {{last_name}},</p>
<p><strong>{{doctor}}</strong> expects you on <strong>{{appointment}}</strong> at our clinic {{clinic}}.</p>
{{#note}}<p style="background: #ffd; padding: 0.5em">{{.}}</p>{{/note}}
<p>If you cannot come, call us; somebody else will be glad of the place.</p>
<p>Harbour Clinics</p>
</body>
</html>
--letter--
)eml";
}

}  // namespace sealift::tools

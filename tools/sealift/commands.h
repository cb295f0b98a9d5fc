#pragma once

#include "absl/status/statusor.h"
#include "engine/exit_code.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// The commands of the tree. Each asks the daemon (or does its offline work), prints through the console and says what
// the process exits with; a failure is printed by whoever called it.

using CommandResult = absl::StatusOr<engine::ExitCode>;

// demo/
CommandResult RunDemo(const Invocation& call, Console& console);

// commands_load.cc
CommandResult RunCampaignLoad(const Invocation& call, Console& console);

// commands_campaign.cc
CommandResult RunCampaignList(const Invocation& call, Console& console);
CommandResult RunCampaignShow(const Invocation& call, Console& console);
CommandResult RunCampaignReport(const Invocation& call, Console& console);
CommandResult RunCampaignWatch(const Invocation& call, Console& console);
CommandResult RunCampaignStart(const Invocation& call, Console& console);
CommandResult RunCampaignPause(const Invocation& call, Console& console);
CommandResult RunCampaignResume(const Invocation& call, Console& console);
CommandResult RunCampaignCancel(const Invocation& call, Console& console);

// commands_preview.cc
CommandResult RunCampaignPreview(const Invocation& call, Console& console);

// commands_preflight.cc
CommandResult RunCampaignPreflight(const Invocation& call, Console& console);
CommandResult RunCampaignTest(const Invocation& call, Console& console);

// commands_suppression.cc
CommandResult RunSuppressionAdd(const Invocation& call, Console& console);
CommandResult RunSuppressionUnsubscribe(const Invocation& call, Console& console);
CommandResult RunSuppressionRemove(const Invocation& call, Console& console);
CommandResult RunSuppressionCheck(const Invocation& call, Console& console);
CommandResult RunSuppressionHistory(const Invocation& call, Console& console);
CommandResult RunSuppressionList(const Invocation& call, Console& console);
CommandResult RunSuppressionImport(const Invocation& call, Console& console);
CommandResult RunSuppressionExport(const Invocation& call, Console& console);
CommandResult RunSuppressionUndo(const Invocation& call, Console& console);

// commands_explain.cc
CommandResult RunDomainList(const Invocation& call, Console& console);
CommandResult RunDomainShow(const Invocation& call, Console& console);
CommandResult RunDomainExplain(const Invocation& call, Console& console);
CommandResult RunSourceList(const Invocation& call, Console& console);
CommandResult RunSourceShow(const Invocation& call, Console& console);
CommandResult RunThrottleList(const Invocation& call, Console& console);
CommandResult RunThrottleExplain(const Invocation& call, Console& console);
CommandResult RunThrottleResume(const Invocation& call, Console& console);

// commands_hold.cc
CommandResult RunQueueHold(const Invocation& call, Console& console);
CommandResult RunQueueRoute(const Invocation& call, Console& console);
CommandResult RunQueueRelease(const Invocation& call, Console& console);
CommandResult RunQueueHolds(const Invocation& call, Console& console);
CommandResult RunSourceSuspend(const Invocation& call, Console& console);
CommandResult RunSourceResume(const Invocation& call, Console& console);

// commands_warmup.cc
CommandResult RunSourceWarmup(const Invocation& call, Console& console);

// commands_job.cc
CommandResult RunQueueBounce(const Invocation& call, Console& console);
CommandResult RunQueueExpire(const Invocation& call, Console& console);
CommandResult RunQueueReplay(const Invocation& call, Console& console);
CommandResult RunQueueJobs(const Invocation& call, Console& console);
CommandResult RunQueueJob(const Invocation& call, Console& console);

// commands_queue.cc
CommandResult RunQueueList(const Invocation& call, Console& console);
CommandResult RunQueueShape(const Invocation& call, Console& console);
CommandResult RunQueueRetry(const Invocation& call, Console& console);
CommandResult RunMessageFind(const Invocation& call, Console& console);
CommandResult RunMessageShow(const Invocation& call, Console& console);
CommandResult RunMessageTrace(const Invocation& call, Console& console);
CommandResult RunEvents(const Invocation& call, Console& console);

// commands_bounce.cc
CommandResult RunBounceIngest(const Invocation& call, Console& console);

// commands_doctor.cc
CommandResult RunDoctor(const Invocation& call, Console& console);

// commands_top.cc
CommandResult RunTop(const Invocation& call, Console& console);

// commands_tls.cc
CommandResult RunTlsProbe(const Invocation& call, Console& console);
CommandResult RunTlsReport(const Invocation& call, Console& console);
CommandResult RunTlsReports(const Invocation& call, Console& console);
CommandResult RunTlsSendReport(const Invocation& call, Console& console);

// commands_dkim.cc
CommandResult RunDkimGenerate(const Invocation& call, Console& console);
CommandResult RunDkimCheck(const Invocation& call, Console& console);

// commands_backup.cc
CommandResult RunBackupCreate(const Invocation& call, Console& console);
CommandResult RunBackupList(const Invocation& call, Console& console);
CommandResult RunBackupVerify(const Invocation& call, Console& console);
CommandResult RunBackupRestore(const Invocation& call, Console& console);
CommandResult RunBackupReconcile(const Invocation& call, Console& console);

// commands_key.cc
CommandResult RunKeyRotate(const Invocation& call, Console& console);
CommandResult RunKeyShow(const Invocation& call, Console& console);

// commands_node.cc
CommandResult RunConfigCheck(const Invocation& call, Console& console);
CommandResult RunConfigShow(const Invocation& call, Console& console);
CommandResult RunConfigDiff(const Invocation& call, Console& console);
CommandResult RunReload(const Invocation& call, Console& console);
CommandResult RunAuditTail(const Invocation& call, Console& console);
CommandResult RunAuditVerify(const Invocation& call, Console& console);
CommandResult RunAuditExport(const Invocation& call, Console& console);
CommandResult RunKeyInit(const Invocation& call, Console& console);
CommandResult RunCompletion(const Invocation& call, Console& console);
CommandResult RunReference(const Invocation& call, Console& console);
CommandResult RunVersion(const Invocation& call, Console& console);

}  // namespace sealift::tools

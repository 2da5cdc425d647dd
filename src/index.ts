export type { Target } from './protocol/address.js'
export type {
  AnyContract,
  Channel,
  ChannelOptions,
  MethodOptions,
  Overflow,
  Proxied,
  Stream,
  UntypedContract,
} from './protocol/contract.js'
export { channel, method } from './protocol/contract.js'
export { declareError } from './protocol/declared-errors.js'
export type {
  CallEvidence,
  CallStage,
  FailedStart,
  OutOfMemory,
  Sent,
  StreamTimeout,
  ThrownRecord,
} from './protocol/errors.js'
export {
  BootError,
  CallAbortedError,
  CallCycleError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
  MethodKindError,
  NoSuchMethodError,
  NoSuchWorkerError,
  PayloadError,
  ReloadError,
  RemoteError,
  TroupeError,
  UsageError,
  ValidationError,
  WorkerGoneError,
  WorkerUnavailableError,
} from './protocol/errors.js'
export type { ListenAddress, WorkerState } from './protocol/frames.js'
export type { ProcessRef } from './protocol/ids.js'
export type { StandardSchema } from './protocol/schema.js'
export type { Balance, BalancePolicy, ConnectionInfo, PickWorker, WorkerLoad } from './runtime/connections/balance.js'
export type { ConnectionStats } from './runtime/connections/connection-stats.js'
export type { HandOffEvent, HandOffStep } from './runtime/connections/hand-off-steps.js'
export { createCluster } from './runtime/create-cluster.js'
export type { RecordedFrame } from './runtime/evidence/recorded-link.js'
export type { Sighting } from './runtime/evidence/sighting.js'
export { joinCluster } from './runtime/join-cluster.js'
export type { Limits, Timeouts } from './runtime/limits.js'
export type { Logger } from './runtime/logger.js'
export type { CallOptions, PublishOptions } from './runtime/messaging/arguments.js'
export type { CurrentCall } from './runtime/messaging/call-context.js'
export { currentCall } from './runtime/messaging/call-context.js'
export type { WorkerInfo } from './runtime/messaging/members.js'
export type { PublishReceipt } from './runtime/messaging/messenger.js'
export type { ProcessStats } from './runtime/messaging/router.js'
export type { StreamOptions } from './runtime/messaging/streams/stream-options.js'
export type { Subscription, SubscriptionEnd } from './runtime/messaging/subscriptions.js'
export type { ClusterOptions, RestartSettings } from './runtime/options.js'
export type { OverflowEvent } from './runtime/overflow-event.js'
export type { PrimaryCluster, PrimaryStats, StopOptions } from './runtime/primary.js'
export type { ReloadOptions } from './runtime/reload-options.js'
export type {
  ClusterEnd,
  ClusterEvents,
  ExitEvent,
  RecycleEvent,
  ReloadEvent,
  ReloadReport,
  RestartEvent,
  RetireReport,
  UnhealthyEvent,
  WorkerEvent,
} from './runtime/supervision/events.js'
export { isPrimary } from './runtime/supervision/launcher.js'
export type { ReadyMode } from './runtime/supervision/readiness.js'
export type { RecycleOptions } from './runtime/supervision/recycle-policy.js'
export type { JoinOptions, WorkerCluster, WorkerClusterEvents } from './runtime/worker.js'
export type { DrainRequest } from './runtime/worker-host.js'

export type { Target } from './protocol/address.js'
export type { AnyContract, Channel, MethodOptions, Proxied, UntypedContract } from './protocol/contract.js'
export { channel, method } from './protocol/contract.js'
export type { CallStage, FailedStart, Sent, ThrownRecord } from './protocol/errors.js'
export {
  BootError,
  CallAbortedError,
  CallCycleError,
  CallTimeoutError,
  ClusterClosedError,
  MailboxFullError,
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
export { createCluster } from './runtime/create-cluster.js'
export { joinCluster } from './runtime/join-cluster.js'
export type { Limits, Timeouts } from './runtime/limits.js'
export type { Logger } from './runtime/logger.js'
export type { CurrentCall } from './runtime/messaging/call-context.js'
export { currentCall } from './runtime/messaging/call-context.js'
export type { WorkerInfo } from './runtime/messaging/members.js'
export type { CallOptions, PublishOptions, PublishReceipt } from './runtime/messaging/messenger.js'
export type { Subscription } from './runtime/messaging/subscriptions.js'
export type { Balance, ClusterOptions, RestartSettings } from './runtime/options.js'
export type { PrimaryCluster, StopOptions } from './runtime/primary.js'
export type {
  ClusterEnd,
  ClusterEvents,
  ExitEvent,
  ReloadEvent,
  RestartEvent,
  WorkerEvent,
} from './runtime/supervision/events.js'
export { isPrimary } from './runtime/supervision/launcher.js'
export type { ReadyMode } from './runtime/supervision/readiness.js'
export type { RetireReport } from './runtime/supervision/retire.js'
export type { JoinOptions, WorkerCluster, WorkerClusterEvents } from './runtime/worker.js'
export type { DrainRequest } from './runtime/worker-host.js'

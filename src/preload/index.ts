import { readDownBatch } from '../protocol/codec.js'
import type { DownFrame, UpFrame } from '../protocol/frames.js'
import { systemClock } from '../runtime/clock.js'
import { IpcTransport } from '../runtime/transports/ipc.js'
import { WorkerHost } from '../runtime/worker-host.js'
import { takeIdentity, type WorkerIdentity } from '../runtime/worker-identity.js'
import { ServerRegistry } from './servers.js'
import { SignalHold } from './signals.js'

/*
 * Runs in a worker before the user's program (`--import`). Inert in every other process: a program that a worker forks
 * inherits the flag, but not the identity, which is removed here and names its own parent.
 */
const identity = takeIdentity(process.env, process.ppid)
if (identity && process.channel) becomeWorker(identity)

function becomeWorker(identity: WorkerIdentity): void {
  const clock = systemClock()
  const hold = identity.signals ? new SignalHold() : undefined
  const link: IpcTransport<UpFrame, DownFrame> = new IpcTransport(process, {
    read: readDownBatch,
    limit: identity.limits.link,
    onUnsendable: (error) => process.emitWarning(error instanceof Error ? error : String(error)),
    onMalformed: (count) => process.emitWarning(`dropped ${count} malformed frames from the primary`, 'TroupeWarning'),
  })
  const servers = new ServerRegistry(clock, {
    load: (connections) => link.send({ kind: 'load', connections }),
    listens: (addresses) => link.send({ kind: 'listens', addresses }),
  })
  const host = new WorkerHost({
    identity,
    link,
    clock,
    drainConnections: ({ mode, deadline }, hooks) => servers.drain(mode, deadline, hooks),
    released: () => hold?.release(),
  })
  host.publishForJoin()
}

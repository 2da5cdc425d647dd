import { readDownBatch } from '../protocol/codec.js'
import type { DownFrame, UpFrame } from '../protocol/frames.js'
import { standInFor } from '../protocol/unsendable.js'
import { systemClock } from '../runtime/clock.js'
import { DropLog } from '../runtime/drop-log.js'
import { closeInspector } from '../runtime/evidence/own-inspector.js'
import { type IpcOptions, IpcTransport } from '../runtime/transports/ipc.js'
import { lineLimit } from '../runtime/transports/line-limit.js'
import { NodeChannel } from '../runtime/transports/node-channel.js'
import { WorkerHost } from '../runtime/worker-host.js'
import { takeIdentity, type WorkerIdentity } from '../runtime/worker-identity.js'
import { DirectSockets } from './direct-sockets.js'
import { ListenPath } from './listen.js'
import { countRequests } from './request-count.js'
import { ServerRegistry } from './servers.js'
import { SignalHold } from './signals.js'
import { Stickiness } from './sticky.js'
import { useEphemeralInspectorPort, vitals } from './vitals.js'

/*
 * Runs in a worker before the user's program (`--require`). Inert in every other process: a program that a worker forks
 * inherits the flag, but not the identity, which is removed here and names its own parent.
 */
const identity = takeIdentity(process.env, process.ppid)
if (identity && process.channel) becomeWorker(identity)

function becomeWorker(identity: WorkerIdentity): void {
  useEphemeralInspectorPort()
  const clock = systemClock()
  const hold = identity.signals ? new SignalHold() : undefined
  const warn = (message: string): void => process.emitWarning(message, 'TroupeWarning')
  const warnings = new DropLog({ warn, error: warn }, clock)
  const options: IpcOptions<DownFrame> = {
    read: readDownBatch,
    limit: identity.limits.link,
    bytes: identity.limits.linkBytes,
    onUnsendable: (error) => process.emitWarning(error instanceof Error ? error : String(error)),
    onMalformed: (count) => warnings.add('malformed', `dropped ${count} malformed frames from the primary`),
  }
  const channel = new NodeChannel(process, lineLimit(identity.limits.payload), { takesHandles: true })
  const link = new IpcTransport<UpFrame, DownFrame>(channel, options, standInFor)
  const servers = new ServerRegistry(clock, {
    load: (connections) => link.send({ kind: 'load', connections }),
    listens: (addresses) => link.send({ kind: 'listens', addresses }),
    connectionClosed: (server) => listens.seatOf(server)?.changed(),
  })
  const stickiness = new Stickiness({
    id: identity.id,
    seatOf: (server) => listens.seatOf(server),
    closeAfterLast: (response) => servers.closeAfterLast(response),
  })
  const listens: ListenPath = new ListenPath({
    link,
    clock,
    servers,
    warnings,
    handoffs: identity.limits.handoffs,
    stickySeat() {
      servers.onRequest = (request, response, server) => stickiness.request(request, response, server)
    },
  })
  const { limits } = identity
  const direct = new DirectSockets({
    limit: limits.link,
    bytes: limits.linkBytes,
    frameLimit: lineLimit(limits.payload),
    warn: (message) => warnings.add('direct', message),
    corrupt: (meeting, verdict) => link.send({ kind: 'unlinked', meeting, corrupt: verdict }),
  })
  const host = new WorkerHost({
    identity,
    link,
    clock,
    drainConnections: ({ mode, deadline }, hooks) => servers.drain(mode, deadline, hooks),
    connections: (frame, handle) => listens.receive(frame, handle),
    released: () => hold?.release(),
    vitals: vitals(identity.countsRequests ? countRequests() : () => 0),
    closeInspector,
    direct: identity.directLinks ? direct : undefined,
  })
  host.publishForJoin()
}
